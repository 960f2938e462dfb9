import fc from "fast-check";
import { expect, it } from "vitest";
import { buildDnsReply, DnsCode, isDnsAnswer, parseDnsQuery } from "./dns.ts";

/** A query for the A record of `Gateway.lan`, with recursion desired. */
const query = Uint8Array.of(
  ...[0xab, 0xcd, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0],
  ...[7, ...Buffer.from("Gateway"), 3, ...Buffer.from("lan"), 0],
  ...[0, 1, 0, 1],
);

it("reads a question", () => {
  expect(parseDnsQuery(query)).toEqual({
    id: 0xabcd,
    name: "gateway.lan",
    type: 1,
    end: query.length,
  });
});

it.each([
  ["an answer", 2, 0x80],
  ["another operation", 2, 0x28],
  ["two questions", 5, 2],
  ["a compressed name", 12, 0xc0],
  ["a label beyond the end", 12, 60],
])("refuses %s", (_what, at, value) => {
  const bytes = query.slice();
  bytes[at] = value;
  expect(parseDnsQuery(bytes)).toBeUndefined();
});

it("refuses every message that is cut short", () => {
  for (let length = 0; length < query.length; length += 1) {
    expect(parseDnsQuery(query.subarray(0, length))).toBeUndefined();
  }
});

it("refuses a name of more than 255 bytes", () => {
  const label = [63, ...Buffer.alloc(63, "a")];
  const long = Uint8Array.of(
    ...query.subarray(0, 12),
    ...Array(5).fill(label).flat(),
    0,
    0,
    1,
    0,
    1,
  );
  expect(parseDnsQuery(long)).toBeUndefined();
});

it("takes any bytes without an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void parseDnsQuery(bytes)));
});

it("builds an answer that repeats the question", () => {
  const question = parseDnsQuery(query)!;
  const answer = { address: 0x0a00_0202, ttlSeconds: 60 };
  const reply = buildDnsReply(query, question, DnsCode.noError, answer);
  expect(isDnsAnswer(reply, 0xabcd)).toBe(true);
  expect(isDnsAnswer(reply, 0xabce)).toBe(false);
  expect([...reply.subarray(2, 12)]).toEqual([0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  expect([...reply.subarray(query.length)]).toEqual([
    ...[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4],
    ...[10, 0, 2, 2],
  ]);
});

it("builds a failure without an answer", () => {
  const reply = buildDnsReply(query, parseDnsQuery(query)!, DnsCode.serverFailure);
  expect(reply.length).toBe(query.length);
  expect(reply[3] & 15).toBe(2);
  expect([...reply.subarray(6, 8)]).toEqual([0, 0]);
});
