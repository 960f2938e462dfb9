/** The Internet checksum (RFC 1071) and the pseudo-header of UDP and TCP (RFC 768, RFC 9293 3.1). */
import { writeU16 } from "./bytes.ts";

/**
 * Adds the 16-bit words of `bytes[start, end)` to `sum`; an odd last byte counts as a high byte.
 * The result is not folded.
 */
export function addWords(sum: number, bytes: Uint8Array, start: number, end: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, end);
  const whole = end - ((end - start) & 3);
  let total = sum;
  // Two words at a time: folding makes the sum of 32-bit numbers that of their halves, and a
  // double holds the sum of a million of them exactly.
  for (let i = start; i < whole; i += 4) total += view.getUint32(i);
  for (let i = whole; i < end; i += 1) total += bytes[i] << ((i - start) & 1 ? 0 : 8);
  return total;
}

/** Folds the carries of a sum back in and complements it. */
export function finishChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded % 0x1_0000);
  return ~folded & 0xffff;
}

/** Stores the checksum of the IPv4 header `bytes[start, end)` (RFC 791 3.1). */
export function storeIpv4Checksum(bytes: Uint8Array, start: number, end: number): void {
  writeU16(bytes, start + 10, 0);
  writeU16(bytes, start + 10, finishChecksum(addWords(0, bytes, start, end)));
}

/** The sum of the pseudo-header, with its addresses, for `length` bytes of `protocol`. */
export function pseudoHeaderSum(
  source: number,
  destination: number,
  protocol: number,
  length: number,
): number {
  return (
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff) +
    protocol +
    length
  );
}
