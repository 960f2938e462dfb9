/** Search for bytes in RAM and windows: so much in one call, to be gone on with in the next. */
import type { GuestMemory } from "../memory/guest-memory.ts";

/** Of one call: some 20 ms, so that the guest does not wait long. */
export const SEARCH_BYTES = 16 << 20;

/** Of one call: what a list shows. */
const MAX_FOUND = 100;

/** Longer than what a person types. */
const MAX_PATTERN_BYTES = 256;

export interface FoundBytes {
  /** Physical addresses, lowest first. */
  readonly found: readonly number[];
  /** Where to go on; undefined when everything has been searched. */
  readonly next: number | undefined;
}

const INTEGER = /^u(8|16|32|64)\s+(0x[0-9a-f]+|\d+)$/i;
const BYTES = /^(?:0x)?(?:[0-9a-f]{2}\s*)+$/i;

/**
 * `"text"` (quoted, or whatever is no number), bytes in hexadecimal such as `de ad be ef`, or a
 * little-endian integer such as `u32 0x1234`. @throws Error
 */
export function parsePattern(text: string): Uint8Array {
  const pattern = patternOf(text.trim());
  if (pattern.length === 0)
    throw new Error("Give text, bytes (de ad be ef) or an integer (u32 42).");
  if (pattern.length > MAX_PATTERN_BYTES) {
    throw new Error(`A pattern has at most ${MAX_PATTERN_BYTES} bytes.`);
  }
  return pattern;
}

function patternOf(text: string): Uint8Array {
  const [, quoted] = /^"(.*)"$/s.exec(text) ?? [];
  if (quoted !== undefined) return new TextEncoder().encode(quoted);
  const [, width, number] = INTEGER.exec(text) ?? [];
  if (width !== undefined) return littleEndian(BigInt(number), Number(width) / 8);
  if (!BYTES.test(text)) return new TextEncoder().encode(text);
  const digits = text.replace(/^0x/i, "").replaceAll(/\s/g, "");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function littleEndian(value: bigint, bytes: number): Uint8Array {
  if (value >> BigInt(bytes * 8) !== 0n) throw new Error(`That does not fit into ${bytes} bytes.`);
  return Uint8Array.from({ length: bytes }, (_, k) => Number((value >> BigInt(8 * k)) & 0xffn));
}

/** A pattern may begin anywhere, and lies in one region. */
export function search(memory: GuestMemory, pattern: Uint8Array, from: number): FoundBytes {
  const found: number[] = [];
  let budget = SEARCH_BYTES;
  for (const { base, size } of rangesOf(memory)) {
    const end = base + size;
    let at = Math.max(from, base);
    while (at < end) {
      if (budget <= 0) return { found, next: at };
      const length = Math.min(budget, end - at);
      // What begins in this part may end behind it.
      const view = memory.view(at, Math.min(length + pattern.length - 1, end - at));
      if (view === undefined) break;
      const matches = matchesIn(view, pattern, length, MAX_FOUND - found.length);
      for (const match of matches) found.push(at + match);
      if (found.length >= MAX_FOUND) return { found, next: (found.at(-1) ?? at) + 1 };
      budget -= length;
      at += length;
    }
  }
  return { found, next: undefined };
}

/** Places before `end` at which the pattern begins, `limit` of them at most. */
function matchesIn(bytes: Uint8Array, pattern: Uint8Array, end: number, limit: number): number[] {
  const matches: number[] = [];
  let at = bytes.indexOf(pattern[0]);
  while (at >= 0 && at < end && matches.length < limit) {
    if (isAt(bytes, pattern, at)) matches.push(at);
    at = bytes.indexOf(pattern[0], at + 1);
  }
  return matches;
}

function isAt(bytes: Uint8Array, pattern: Uint8Array, at: number): boolean {
  if (at + pattern.length > bytes.length) return false;
  for (let k = 1; k < pattern.length; k++) if (bytes[at + k] !== pattern[k]) return false;
  return true;
}

/** Runs of memory that is there, lowest first: RAM, and the blocks of windows. */
function* rangesOf({ regions, windows }: GuestMemory): Generator<{ base: number; size: number }> {
  yield* regions;
  for (const window of windows) yield* window.presentRanges();
}
