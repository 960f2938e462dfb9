import fc from "fast-check";
import { expect, it } from "vitest";
import { addWords, finishChecksum } from "./checksum.ts";

/** The definition, word by word (RFC 1071 1). */
function reference(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i] * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}

it("matches the example of RFC 1071 3", () => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  expect(finishChecksum(addWords(0, bytes, 0, 8))).toBe(~0xddf2 & 0xffff);
});

it("matches the definition for any bytes, at any place", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(7), (bytes, before) => {
      const shifted = new Uint8Array(before + bytes.length + 3).fill(0xff);
      shifted.set(bytes, before);
      const sum = addWords(0, shifted, before, before + bytes.length);
      expect(finishChecksum(sum)).toBe(reference(bytes));
    }),
  );
});

it("does not lose carries in the largest packet", () => {
  const bytes = new Uint8Array(65_535).fill(0xff);
  expect(finishChecksum(addWords(0, bytes, 0, bytes.length))).toBe(reference(bytes));
});
