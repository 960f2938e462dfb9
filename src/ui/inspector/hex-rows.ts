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

/** The topmost row with which a byte is in sight: the present one if that will do. */
export function topAround(at: bigint, top: bigint, extent: Extent, rows: number): bigint {
  const row = rowStart(at);
  if (row < top) return clampTop(row, extent, rows);
  const lowest = row - BigInt((rows - 1) * ROW_BYTES);
  return lowest > top ? clampTop(lowest, extent, rows) : top;
}

/** Where a key leads from a byte; undefined for keys that lead nowhere. */
export function cursorAfter(
  key: string,
  at: bigint,
  { first, end }: Extent,
  rows: number,
): bigint | undefined {
  const page = (rows - 2) * ROW_BYTES;
  const step = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -ROW_BYTES,
    ArrowDown: ROW_BYTES,
    PageUp: -page,
    PageDown: page,
  }[key];
  if (key === "Home") return first;
  if (key === "End") return end - 1n;
  if (step === undefined) return undefined;
  const wanted = at + BigInt(step);
  return wanted < first ? first : wanted >= end ? end - 1n : wanted;
}

/** Columns of a row: two digits and a space for each byte, and a space more in the middle. */
const COLUMNS = 3 * ROW_BYTES;

/** Which byte of a row is at a part of its width. */
export function byteAtColumn(part: number): number {
  const column = Math.floor(part * COLUMNS);
  const byte = Math.floor((column > COLUMNS / 2 ? column - 1 : column) / 3);
  return Math.min(ROW_BYTES - 1, Math.max(0, byte));
}

/** Part of the way through an extent, from 0 to 1. */
export function partOf(top: bigint, { first, end }: Extent, rows: number): number {
  const span = end - first - BigInt(rows * ROW_BYTES);
  return span <= 0n ? 0 : Math.min(1, Number(((top - first) * 10_000n) / span) / 10_000);
}

export function atPart(part: number, { first, end }: Extent): bigint {
  return rowStart(first + ((end - first) * BigInt(Math.round(part * 10_000))) / 10_000n);
}

/** Undefined where nothing can be read. */
export type Byte = number | undefined;

export function rowBytes(runs: readonly MemoryRun[], row: bigint): Byte[] {
  return Array.from({ length: ROW_BYTES }, (_, k) => {
    const at = row + BigInt(k);
    const run = runs.find(({ address, length }) => at >= address && at < address + BigInt(length));
    return run?.bytes?.[Number(at - run.address)];
  });
}

/** Printable ASCII, and a dot for everything else. */
export const asciiOf = (bytes: readonly Byte[]): string =>
  bytes
    .map((byte) =>
      byte === undefined ? " " : byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·",
    )
    .join("");
