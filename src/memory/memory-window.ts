/**
 * Memory beside RAM: a run of guest physical addresses above it that a device provides, such as
 * hot-plugged memory or a persistent memory. It comes and goes in blocks; what is not there is no
 * memory at all, neither to the hart nor to devices.
 */
import type { RamRegion } from "./ram-region.ts";

/** Size and alignment of blocks and of windows. */
export const WINDOW_BLOCK_BYTES = 2 * 1024 * 1024;

/** Windows lie within so many bytes from the start of RAM: what the hart's map of them covers. */
export const WINDOW_SPAN_BYTES = 4096 * WINDOW_BLOCK_BYTES;

export class MemoryWindow implements RamRegion {
  readonly base: number;
  readonly size: number;
  readonly offset: number;
  /** By block: 1 if it is there. */
  readonly #present: Uint8Array;
  readonly #changed: (gpa: number, length: number, isPresent: boolean) => void;

  /** For `GuestMemory` alone, which is told of changes. Nothing is there at first. */
  constructor(
    { base, size, offset }: RamRegion,
    changed: (gpa: number, length: number, isPresent: boolean) => void,
  ) {
    this.base = base;
    this.size = size;
    this.offset = offset;
    this.#present = new Uint8Array(size / WINDOW_BLOCK_BYTES);
    this.#changed = changed;
  }

  /** Whether all bytes of a range inside the window are there. */
  isPresent(gpa: number, length: number): boolean {
    const last = blockOf(gpa - this.base + Math.max(length, 1) - 1);
    for (let block = blockOf(gpa - this.base); block <= last; block++) {
      if (this.#present[block] !== 1) return false;
    }
    return true;
  }

  /** Whether no byte of a range of whole blocks is there. */
  isAbsent(gpa: number, length: number): boolean {
    const first = blockOf(gpa - this.base);
    const end = blockOf(gpa - this.base + length);
    return this.#present.subarray(first, end).every((present) => present === 0);
  }

  /** Bytes that are there. */
  get presentBytes(): number {
    return this.#present.reduce((sum, present) => sum + present, 0) * WINDOW_BLOCK_BYTES;
  }

  /** Runs of blocks that are there. */
  presentRanges(): { readonly base: number; readonly size: number }[] {
    const ranges: { base: number; size: number }[] = [];
    for (const [block, present] of this.#present.entries()) {
      const base = this.base + block * WINDOW_BLOCK_BYTES;
      const last = ranges.at(-1);
      if (present === 0) continue;
      if (last !== undefined && last.base + last.size === base) last.size += WINDOW_BLOCK_BYTES;
      else ranges.push({ base, size: WINDOW_BLOCK_BYTES });
    }
    return ranges;
  }

  /** Makes whole blocks appear, or go. @throws RangeError unless they are blocks of the window. */
  setPresent(gpa: number, length: number, isPresent: boolean): void {
    const start = gpa - this.base;
    const isWhole = start % WINDOW_BLOCK_BYTES === 0 && length % WINDOW_BLOCK_BYTES === 0;
    if (!isWhole || start < 0 || length < 0 || start + length > this.size) {
      throw new RangeError(`0x${gpa.toString(16)}+${length} is not blocks of the window`);
    }
    this.#present.fill(isPresent ? 1 : 0, blockOf(start), blockOf(start + length));
    this.#changed(gpa, length, isPresent);
  }
}

const blockOf = (offset: number): number => Math.floor(offset / WINDOW_BLOCK_BYTES);
