/**
 * Guest RAM as devices and loaders see it: checked views on a part of one `WebAssembly.Memory`.
 *
 * The same linear memory holds the hart's state and caches below the RAM, so a range that is not
 * wholly inside a region is never handed out: that check is what keeps a hostile guest inside.
 */
import { MemoryWindow, WINDOW_BLOCK_BYTES } from "./memory-window.ts";
import type { RamRegion } from "./ram-region.ts";

export type { RamRegion } from "./ram-region.ts";

/** The linear memory that RAM lives in; `WebAssembly.Memory` fits. */
export interface LinearMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

/** Told of blocks of a window that appeared at `host`, an offset in the linear memory, or went (0). */
export type WindowObserver = (gpa: number, length: number, host: number) => void;

/** What is kept count of by page: of the smallest pages that the hart maps. */
export const PAGE_BYTES = 4096;

/** Told of every range that something other than the hart is about to write. */
export type WriteObserver = (gpa: number, length: number) => void;

export class GuestMemory {
  readonly regions: readonly RamRegion[];
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #observers: WriteObserver[] = [];
  readonly #windows: MemoryWindow[] = [];
  readonly #windowObservers: WindowObserver[] = [];
  /** A byte for each page from the first region on: nonzero once it was written. */
  #written: Uint8Array = new Uint8Array(0);
  #onTaken: () => void = () => {};

  /** @throws RangeError if a region does not lie inside the linear memory. */
  constructor(memory: LinearMemory, regions: readonly RamRegion[]) {
    for (const region of regions) {
      if (region.offset < 0 || region.offset + region.size > memory.buffer.byteLength) {
        throw new RangeError(`RAM region at 0x${region.base.toString(16)} is outside the memory`);
      }
    }
    this.regions = regions;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#data = new DataView(memory.buffer);
  }

  /**
   * Adds a window above RAM, of which nothing is there yet. Its place in the linear memory is behind
   * the first region. @throws RangeError if it does not consist of whole blocks in the linear memory.
   */
  addWindow(region: RamRegion): MemoryWindow {
    const { base, size, offset } = region;
    const isWhole = base % WINDOW_BLOCK_BYTES === 0 && size % WINDOW_BLOCK_BYTES === 0;
    const isInside = offset >= this.#firstOffset && offset + size <= this.#bytes.length;
    if (!isWhole || !isInside || offset % PAGE_BYTES !== 0) {
      throw new RangeError(`the window at 0x${base.toString(16)} cannot be there`);
    }
    if (this.#written.length === 0) {
      const pages = (this.#bytes.length - this.#firstOffset) / PAGE_BYTES;
      this.#written = new Uint8Array(Math.ceil(pages));
    }
    const window = new MemoryWindow(region, (gpa, length, isPresent) => {
      const host = isPresent ? offset + (gpa - base) : 0;
      for (const observer of this.#windowObservers) observer(gpa, length, host);
    });
    this.#windows.push(window);
    return window;
  }

  /** The windows above RAM, in the order in which they were added. */
  get windows(): readonly MemoryWindow[] {
    return this.#windows;
  }

  observeWindows(observer: WindowObserver): void {
    this.#windowObservers.push(observer);
  }

  /**
   * The hart notes in `pages`, a byte for each page from the first region on, which ones it writes.
   * After some were taken it is told by `onTaken`, and must note the next write to each again.
   */
  shareWritten(pages: Uint8Array, onTaken: () => void): void {
    this.#written = pages;
    this.#onTaken = onTaken;
  }

  /** First addresses of the pages of a window that were written since they were last asked for. */
  takeWritten(window: MemoryWindow): number[] {
    const first = this.#pageOf(window.offset);
    const pages: number[] = [];
    for (let page = 0; page < window.size / PAGE_BYTES; page++) {
      if (this.#written[first + page] === 0) continue;
      this.#written[first + page] = 0;
      pages.push(window.base + page * PAGE_BYTES);
    }
    if (pages.length > 0) this.#onTaken();
    return pages;
  }

  /** Offset of `gpa` in the linear memory, or -1 unless all `length` bytes are in one region. */
  offsetOf(gpa: number, length: number): number {
    for (const region of this.regions) {
      const start = gpa - region.base;
      // Written so that no sum of guest-chosen numbers is formed before it is bounded.
      if (start >= 0 && start <= region.size && length >= 0 && length <= region.size - start) {
        return region.offset + start;
      }
    }
    for (const window of this.#windows) {
      const start = gpa - window.base;
      const isInside =
        start >= 0 && start <= window.size && length >= 0 && length <= window.size - start;
      if (isInside && window.isPresent(gpa, length)) return window.offset + start;
    }
    return -1;
  }

  contains(gpa: number, length: number): boolean {
    return this.offsetOf(gpa, length) >= 0;
  }

  /** A view for reading, or undefined if the range is not wholly RAM. Nothing is copied. */
  view(gpa: number, length: number): Uint8Array | undefined {
    const offset = this.offsetOf(gpa, length);
    return offset < 0 ? undefined : this.#bytes.subarray(offset, offset + length);
  }

  /**
   * A view for writing, or undefined if the range is not wholly RAM. Observers are told at once, so
   * the bytes must be written before the hart runs again; a view kept longer needs `written()`.
   */
  writable(gpa: number, length: number): Uint8Array | undefined {
    const view = this.view(gpa, length);
    if (view !== undefined) this.written(gpa, length);
    return view;
  }

  /** Announces that a range was or is being written through a view, so that cached code is dropped. */
  written(gpa: number, length: number): void {
    for (const observer of this.#observers) observer(gpa, length);
    for (const window of this.#windows) {
      const start = Math.max(gpa, window.base) - window.base;
      const end = Math.min(gpa + length, window.base + window.size) - window.base;
      if (start >= end) continue;
      const first = this.#pageOf(window.offset + start);
      this.#written.fill(1, first, this.#pageOf(window.offset + end - 1) + 1);
    }
  }

  observeWrites(observer: WriteObserver): void {
    this.#observers.push(observer);
  }

  /** The accessors below @throw RangeError outside RAM: callers check a whole structure first. */
  readU8(gpa: number): number {
    return this.#bytes[this.#at(gpa, 1)];
  }

  readU16(gpa: number): number {
    return this.#data.getUint16(this.#at(gpa, 2), true);
  }

  readU32(gpa: number): number {
    return this.#data.getUint32(this.#at(gpa, 4), true);
  }

  /** A 64-bit value as a number. Values of 2^53 and above lose low bits: use them only to refuse. */
  readU64(gpa: number): number {
    const at = this.#at(gpa, 8);
    return this.#data.getUint32(at, true) + this.#data.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  writeU8(gpa: number, value: number): void {
    this.#bytes[this.#at(gpa, 1)] = value;
    this.written(gpa, 1);
  }

  writeU16(gpa: number, value: number): void {
    this.#data.setUint16(this.#at(gpa, 2), value, true);
    this.written(gpa, 2);
  }

  writeU32(gpa: number, value: number): void {
    this.#data.setUint32(this.#at(gpa, 4), value, true);
    this.written(gpa, 4);
  }

  /** Copies `bytes` to `gpa`. @throws RangeError if they do not fit in RAM. */
  write(gpa: number, bytes: Uint8Array): void {
    const offset = this.#at(gpa, bytes.length);
    this.#bytes.set(bytes, offset);
    this.written(gpa, bytes.length);
  }

  /**
   * Makes every byte of a range that holds nothing of value 0; false if it is not wholly RAM. Pages
   * that are 0 already are only read: a page that was never written takes no memory of the host, and
   * must not begin to.
   */
  discard(gpa: number, length: number): boolean {
    const offset = this.offsetOf(gpa, length);
    if (offset < 0) return false;
    for (let at = 0; at < length; at += PAGE_BYTES) {
      const page = this.#bytes.subarray(offset + at, offset + Math.min(at + PAGE_BYTES, length));
      if (isZero(page)) continue;
      page.fill(0);
      this.written(gpa + at, page.length);
    }
    return true;
  }

  get #firstOffset(): number {
    return this.regions[0]?.offset ?? 0;
  }

  #pageOf(offset: number): number {
    return Math.floor((offset - this.#firstOffset) / PAGE_BYTES);
  }

  #at(gpa: number, length: number): number {
    const offset = this.offsetOf(gpa, length);
    if (offset < 0) throw new RangeError(`0x${gpa.toString(16)}+${length} is not RAM`);
    return offset;
  }
}

/** Whether there is nothing but zeros. */
export function isZero(bytes: Uint8Array): boolean {
  const isWhole = ((bytes.byteOffset | bytes.length) & 3) === 0;
  const words = isWhole ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
