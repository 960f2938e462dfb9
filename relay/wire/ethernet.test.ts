import fc from "fast-check";
import { expect, it } from "vitest";
import {
  BROADCAST_MAC,
  formatMac,
  isGroupMac,
  parseEthernet,
  readMac,
  writeEthernet,
  writeMac,
} from "./ethernet.ts";

it("writes and reads any address", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const written = new Uint8Array(6);
      writeMac(written, 0, readMac(bytes, 0));
      expect(written).toEqual(bytes);
    }),
  );
});

it("formats an address with its leading zeros", () => {
  expect(formatMac(0x0055_0a00_0202)).toBe("00:55:0a:00:02:02");
});

it("knows group addresses by the lowest bit of the first byte", () => {
  expect(isGroupMac(BROADCAST_MAC)).toBe(true);
  expect(isGroupMac(0x0100_5e00_0001)).toBe(true);
  expect(isGroupMac(0x5255_0a00_0202)).toBe(false);
});

it("reads the header it wrote, and none from 13 bytes", () => {
  const frame = new Uint8Array(14);
  writeEthernet(frame, BROADCAST_MAC, 0x5255_0a00_0202, 0x0806);
  expect(parseEthernet(frame)).toEqual({
    destination: BROADCAST_MAC,
    source: 0x5255_0a00_0202,
    etherType: 0x0806,
  });
  expect(parseEthernet(frame.subarray(0, 13))).toBeUndefined();
});
