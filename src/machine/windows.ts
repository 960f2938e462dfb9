/** Where windows above RAM are, in guest physical addresses and in the linear memory. */
import type { GuestMemory, RamRegion } from "../memory/guest-memory.ts";
import {
  type MemoryWindow,
  WINDOW_BLOCK_BYTES,
  WINDOW_SPAN_BYTES,
} from "../memory/memory-window.ts";

/** Bytes of linear memory that a window of `bytes` takes: whole blocks. */
export const windowBytesFor = (bytes: number): number =>
  Math.ceil(bytes / WINDOW_BLOCK_BYTES) * WINDOW_BLOCK_BYTES;

export class Windows {
  readonly #memory: GuestMemory;
  readonly #span: number;
  readonly #endOffset: number;
  #gpa: number;
  #offset: number;

  /** `bytes` of the linear memory behind `ram` are for windows. */
  constructor(memory: GuestMemory, ram: RamRegion, bytes: number) {
    this.#memory = memory;
    this.#gpa = ram.base + ram.size;
    this.#span = ram.base + WINDOW_SPAN_BYTES;
    this.#offset = ram.offset + ram.size;
    this.#endOffset = this.#offset + bytes;
  }

  /**
   * The next window, of which nothing is there yet, its address a multiple of `alignment`.
   * @throws RangeError if there is no room for it.
   */
  open(bytes: number, alignment = WINDOW_BLOCK_BYTES): MemoryWindow {
    const size = windowBytesFor(bytes);
    const base = Math.ceil(this.#gpa / alignment) * alignment;
    if (base + size > this.#span || this.#offset + size > this.#endOffset) {
      throw new RangeError(`no room for a window of ${size} bytes above RAM`);
    }
    const window = this.#memory.addWindow({ base, size, offset: this.#offset });
    this.#gpa = base + size;
    this.#offset += size;
    return window;
  }
}
