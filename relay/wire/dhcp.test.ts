import fc from "fast-check";
import { expect, it } from "vitest";
import { buildDhcpReply, DhcpOption, DhcpType, parseDhcpRequest } from "./dhcp.ts";

const message = {
  transaction: 0x1234_5678,
  broadcast: true,
  clientAddress: 0,
  yourAddress: 0x0a00_020f,
  mac: 0x5254_0012_3456,
  options: new Map([
    [DhcpOption.messageType, Uint8Array.of(DhcpType.discover)],
    [DhcpOption.hostName, new TextEncoder().encode("guest")],
  ]),
};

/** Requests and replies differ in their first byte. */
function requestOf(): Uint8Array {
  const bytes = buildDhcpReply(message);
  bytes[0] = 1;
  return bytes;
}

it("reads the message it built", () => {
  expect(parseDhcpRequest(requestOf())).toEqual(message);
});

it("builds no message below the length that BOOTP needs", () => {
  expect(requestOf().length).toBe(300);
});

it.each([
  ["a reply", 0, 2],
  ["another hardware type", 1, 6],
  ["another hardware length", 2, 16],
  ["a relay agent's message", 24, 1],
  ["a missing cookie", 236, 0],
  ["an option beyond the end", 241, 255],
])("refuses %s", (_what, at, value) => {
  const bytes = requestOf();
  bytes[at] = value;
  expect(parseDhcpRequest(bytes)).toBeUndefined();
});

it("refuses a message that ends inside an option's header", () => {
  expect(parseDhcpRequest(requestOf().subarray(0, 241))).toBeUndefined();
});

it("takes any options without an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (options) => {
      const bytes = new Uint8Array(240 + options.length);
      bytes.set(requestOf().subarray(0, 240));
      bytes.set(options, 240);
      parseDhcpRequest(bytes);
    }),
  );
});
