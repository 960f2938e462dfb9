/** The Internet checksum (RFC 1071) and the pseudo-header of UDP and TCP (RFC 768, RFC 9293 3.1). */
import type { IpAddress } from "./ipv4.ts";

/**
 * Adds the 16-bit words of `bytes[start, end)` to `sum`; an odd last byte counts as a high byte.
 * The result is not folded: a frame of 64 KiB stays below 2^32.
 */
export function addWords(sum: number, bytes: Uint8Array, start: number, end: number): number {
  let total = sum;
  const even = end - ((end - start) & 1);
  for (let i = start; i < even; i += 2) total += (bytes[i] << 8) | bytes[i + 1];
  if (even !== end) total += bytes[even] << 8;
  return total;
}

/** Folds the carries of a sum below 2^32 back in and complements it. */
export function finishChecksum(sum: number): number {
  let folded = (sum >>> 16) + (sum & 0xffff);
  folded = (folded >>> 16) + (folded & 0xffff);
  return ~folded & 0xffff;
}

/** The sum of the pseudo-header for `length` bytes of `protocol`. */
export function pseudoHeaderSum(
  source: IpAddress,
  destination: IpAddress,
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
