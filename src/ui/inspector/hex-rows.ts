/** Rows of a hex view: which bytes they show, and where in an area they are. */
import type { MemoryArea, MemoryRun } from "../../inspect/calls.ts";

/** Bytes of a row, where there is room for so many. */
export const ROW_BYTES = 16;

/** How much is in sight. */
export interface Grid {
  readonly rows: number;
  readonly rowBytes: number;
}

/** What a row may have, the most first: in each the addresses end alike. */
const WIDTHS = [ROW_BYTES, 8, 4];

/** Bytes for which a row of so many columns has room beside an address of so many digits, without the gaps. */
export function rowBytesFor(columns: number, digits: number): number {
  // Two digits and a space for each, and its character.
  const fits = (bytes: number) => digits + 4 * bytes <= columns;
  return WIDTHS.find(fits) ?? WIDTHS[WIDTHS.length - 1];
}

/** First address, and the first behind the last. */
export interface Extent {
  readonly first: bigint;
  readonly end: bigint;
}

/** Virtual addresses go on for ever; one scrolls through so much of them. */
const VIRTUAL_BYTES = 1n << 30n;
const TOP = 1n << 64n;

const rowStart = (address: bigint, rowBytes: number): bigint =>
  address - (address % BigInt(rowBytes));

/** What can be scrolled through from an address: the smallest area around it, or a stretch. */
export function extentAround(areas: readonly MemoryArea[] | undefined, at: bigint): Extent {
  const around = (areas ?? [])
    .filter(({ base, size }) => at >= BigInt(base) && at < BigInt(base) + BigInt(size))
    .sort((a, b) => a.size - b.size)[0];
  if (around !== undefined) {
    return { first: BigInt(around.base), end: BigInt(around.base) + BigInt(around.size) };
  }
  const half = VIRTUAL_BYTES / 2n;
  const first = at > half ? rowStart(at - half, ROW_BYTES) : 0n;
  return { first, end: first + VIRTUAL_BYTES < TOP ? first + VIRTUAL_BYTES : TOP };
}

/** The row that may be the topmost, nearest to the one that is wanted. */
export function clampTop(wanted: bigint, { first, end }: Extent, grid: Grid): bigint {
  const { rows, rowBytes } = grid;
  const last = rowStart(end - 1n, rowBytes) - BigInt((rows - 1) * rowBytes);
  const top = wanted > last ? last : wanted;
  return rowStart(top < first ? first : top, rowBytes);
}

/** The topmost row with which a byte is in sight: the present one if that will do. */
export function topAround(at: bigint, top: bigint, extent: Extent, grid: Grid): bigint {
  const { rows, rowBytes } = grid;
  const row = rowStart(at, rowBytes);
  if (row < top) return clampTop(row, extent, grid);
  const lowest = row - BigInt((rows - 1) * rowBytes);
  return lowest > top ? clampTop(lowest, extent, grid) : top;
}

/** Where a key leads from a byte; undefined for keys that lead nowhere. */
export function cursorAfter(
  key: string,
  at: bigint,
  { first, end }: Extent,
  { rows, rowBytes }: Grid,
): bigint | undefined {
  const page = (rows - 2) * rowBytes;
  const step = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -rowBytes,
    ArrowDown: rowBytes,
    PageUp: -page,
    PageDown: page,
  }[key];
  if (key === "Home") return first;
  if (key === "End") return end - 1n;
  if (step === undefined) return undefined;
  const wanted = at + BigInt(step);
  return wanted < first ? first : wanted >= end ? end - 1n : wanted;
}

/**
 * Which byte of a row is at a part of its width: each has two digits and a space, and there is a space more in
 * the middle.
 */
export function byteAtColumn(part: number, rowBytes: number): number {
  const columns = 3 * rowBytes;
  const column = Math.floor(part * columns);
  const byte = Math.floor((column > columns / 2 ? column - 1 : column) / 3);
  return Math.min(rowBytes - 1, Math.max(0, byte));
}

/** Part of the way through an extent, from 0 to 1. */
export function partOf(top: bigint, { first, end }: Extent, { rows, rowBytes }: Grid): number {
  const span = end - first - BigInt(rows * rowBytes);
  return span <= 0n ? 0 : Math.min(1, Number(((top - first) * 10_000n) / span) / 10_000);
}

export function atPart(part: number, { first, end }: Extent): bigint {
  return rowStart(first + ((end - first) * BigInt(Math.round(part * 10_000))) / 10_000n, ROW_BYTES);
}

/** Undefined where nothing can be read. */
export type Byte = number | undefined;

export function bytesOfRow(runs: readonly MemoryRun[], row: bigint, rowBytes: number): Byte[] {
  return Array.from({ length: rowBytes }, (_, k) => {
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
