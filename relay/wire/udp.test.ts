import fc from "fast-check";
import { expect, it } from "vitest";
import { buildUdp, parseUdp } from "./udp.ts";

const between = { source: 0x0a00_020f, destination: 0x0a00_0202 };
const ports = { sourcePort: 40_000, destinationPort: 53 };

it("reads the datagram it built", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (payload) => {
      const bytes = buildUdp(ports, payload, between);
      expect(parseUdp(bytes, between)).toEqual({ ...ports, payload });
    }),
  );
});

it("takes a datagram without a checksum", () => {
  const bytes = buildUdp(ports, Uint8Array.of(1), between);
  bytes[6] = 0;
  bytes[7] = 0;
  expect(parseUdp(bytes, between)?.payload).toEqual(Uint8Array.of(1));
});

it("never sends a checksum of zero", () => {
  // Two payload bytes that make the sum 0xffff.
  const zero = buildUdp(ports, Uint8Array.of(0, 0), between);
  const checksum = (zero[6] << 8) | zero[7];
  const bytes = buildUdp(ports, Uint8Array.of(checksum >>> 8, checksum), between);
  expect((bytes[6] << 8) | bytes[7]).toBe(0xffff);
  expect(parseUdp(bytes, between)).toBeDefined();
});

it("refuses a damaged datagram, other addresses and lengths that do not fit", () => {
  const bytes = buildUdp(ports, Uint8Array.of(1, 2), between);
  expect(parseUdp(bytes, { ...between, source: 1 })).toBeUndefined();
  expect(parseUdp(bytes.subarray(0, 9), between)).toBeUndefined();
  expect(parseUdp(bytes.subarray(0, 7), between)).toBeUndefined();
  const short = bytes.slice();
  short[5] = 7;
  expect(parseUdp(short, between)).toBeUndefined();
  bytes[9] ^= 1;
  expect(parseUdp(bytes, between)).toBeUndefined();
});
