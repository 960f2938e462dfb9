/**
 * Guest RAM as devices and loaders see it: checked views on a part of one `WebAssembly.Memory`.
 *
 * The same linear memory holds the hart's state and caches below the RAM, so a range that is not
 * wholly inside a region is never handed out: that check is what keeps a hostile guest inside.
 */

/** The linear memory that RAM lives in; `WebAssembly.Memory` fits. */
export interface LinearMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

/** A run of guest physical addresses backed by bytes of the linear memory. */
export interface RamRegion {
  /** First guest physical address. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  /** Where `base` is in the linear memory, in bytes. */
  readonly offset: number;
}

const PAGE_BYTES = 4096;

/** Told of every range that something other than the hart is about to write. */
export type WriteObserver = (gpa: number, length: number) => void;

export class GuestMemory {
  readonly regions: readonly RamRegion[];
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  readonly #observers: WriteObserver[] = [];

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

  /** Offset of `gpa` in the linear memory, or -1 unless all `length` bytes are in one region. */
  offsetOf(gpa: number, length: number): number {
    for (const region of this.regions) {
      const start = gpa - region.base;
      // Written so that no sum of guest-chosen numbers is formed before it is bounded.
      if (start >= 0 && start <= region.size && length >= 0 && length <= region.size - start) {
        return region.offset + start;
      }
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

  #at(gpa: number, length: number): number {
    const offset = this.offsetOf(gpa, length);
    if (offset < 0) throw new RangeError(`0x${gpa.toString(16)}+${length} is not RAM`);
    return offset;
  }
}

function isZero(bytes: Uint8Array): boolean {
  const isWhole = ((bytes.byteOffset | bytes.length) & 3) === 0;
  const words = isWhole ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
