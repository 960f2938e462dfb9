/** Rows of a hex view: which bytes they show, and where in an area they are. */
import type { MemoryArea, MemoryRun } from "../../inspect/calls.ts";

export const ROW_BYTES = 16;

/** First address, and the first behind the last. */
export interface Extent {
  readonly first: bigint;
  readonly end: bigint;
}

/** Virtual addresses go on for ever; one scrolls through so much of them. */
const VIRTUAL_BYTES = 1n << 30n;
const TOP = 1n << 64n;

const rowStart = (address: bigint): bigint => address - (address % BigInt(ROW_BYTES));

/** What can be scrolled through from an address: the smallest area around it, or a stretch. */
export function extentAround(areas: readonly MemoryArea[] | undefined, at: bigint): Extent {
  const around = (areas ?? [])
    .filter(({ base, size }) => at >= BigInt(base) && at < BigInt(base) + BigInt(size))
    .sort((a, b) => a.size - b.size)[0];
  if (around !== undefined) {
    return { first: BigInt(around.base), end: BigInt(around.base) + BigInt(around.size) };
  }
  const half = VIRTUAL_BYTES / 2n;
  const first = at > half ? rowStart(at - half) : 0n;
  return { first, end: first + VIRTUAL_BYTES < TOP ? first + VIRTUAL_BYTES : TOP };
}

/** The row that may be the topmost, nearest to the one that is wanted. */
export function clampTop(wanted: bigint, { first, end }: Extent, rows: number): bigint {
  const last = rowStart(end - 1n) - BigInt((rows - 1) * ROW_BYTES);
  const top = wanted > last ? last : wanted;
  return top < first ? rowStart(first) : rowStart(top);
}

/** Part of the way through an extent, from 0 to 1. */
export function partOf(top: bigint, { first, end }: Extent, rows: number): number {
  const span = end - first - BigInt(rows * ROW_BYTES);
  return span <= 0n ? 0 : Math.min(1, Number(((top - first) * 10_000n) / span) / 10_000);
}

export function atPart(part: number, { first, end }: Extent): bigint {
  return rowStart(first + ((end - first) * BigInt(Math.round(part * 10_000))) / 10_000n);
}

/** The bytes of a row; undefined where nothing can be read. */
export function rowBytes(runs: readonly MemoryRun[], row: bigint): (number | undefined)[] {
  return Array.from({ length: ROW_BYTES }, (_, k) => {
    const at = row + BigInt(k);
    const run = runs.find(({ address, length }) => at >= address && at < address + BigInt(length));
    return run?.bytes?.[Number(at - run.address)];
  });
}

/** Printable ASCII, and a dot for everything else. */
export const asciiOf = (bytes: readonly (number | undefined)[]): string =>
  bytes
    .map((byte) =>
      byte === undefined ? " " : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·",
    )
    .join("");
