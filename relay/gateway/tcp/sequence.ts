/** Arithmetic on sequence numbers, modulo 2^32 (RFC 9293 3.4). */

/** How far `a` is after `b`; negative when it is before. Right for distances below 2^31. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

export function advance(sequence: number, by: number): number {
  return (sequence + by) >>> 0;
}

export function isAfter(a: number, b: number): boolean {
  return distance(a, b) > 0;
}
