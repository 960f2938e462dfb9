/** Guest memory behind a resource: a list of runs, read as one (virtio 5.7.6.8, ATTACH_BACKING). */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { convertPixels, type PixelFormat } from "./gpu-format.ts";
import { GPU_MEM_ENTRY_SIZE } from "./gpu-protocol.ts";

/** Pixels put together at once where runs do not begin and end at words; Linux has no such runs. */
const SCRATCH_PIXELS = 4096;

/** Structured-clonable: the runs as pairs of guest physical address and length. */
export type BackingState = Float64Array;

export class Backing {
  /** In bytes, of all runs together. */
  readonly size: number;
  readonly entries: number;
  readonly #state: BackingState;
  /** For each run, where it begins in the whole and in the linear memory, in bytes. */
  readonly #starts: Float64Array;
  readonly #offsets: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** No run begins or ends inside a word of the linear memory. */
  readonly #isAligned: boolean;
  #scratch: Uint32Array | undefined;

  private constructor(memory: GuestMemory, state: BackingState, offsets: Float64Array) {
    this.#state = state;
    this.#offsets = offsets;
    this.entries = offsets.length;
    this.#starts = new Float64Array(this.entries);
    let size = 0;
    let misaligned = 0;
    for (let i = 0; i < this.entries; i++) {
      this.#starts[i] = size;
      size += state[2 * i + 1];
      misaligned |= (offsets[i] % 4) | (state[2 * i + 1] % 4);
    }
    this.size = size;
    this.#isAligned = misaligned === 0;
    const { buffer } = memory.view(memory.regions[0].base, 0)!;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, 0, Math.floor(buffer.byteLength / 4));
  }

  /** From the request's entries, or undefined if one of them is not RAM. Empty ones are left out. */
  static parse(memory: GuestMemory, list: Uint8Array): Backing | undefined {
    const data = new DataView(list.buffer, list.byteOffset, list.byteLength);
    const state: number[] = [];
    for (let at = 0; at + GPU_MEM_ENTRY_SIZE <= list.length; at += GPU_MEM_ENTRY_SIZE) {
      // An address of 2^53 and above is not exact, and not RAM.
      const address = data.getUint32(at, true) + data.getUint32(at + 4, true) * 0x1_0000_0000;
      const length = data.getUint32(at + 8, true);
      if (length > 0) state.push(address, length);
    }
    return Backing.load(memory, Float64Array.from(state));
  }

  static load(memory: GuestMemory, state: BackingState): Backing | undefined {
    const offsets = new Float64Array(state.length / 2);
    for (let i = 0; i < offsets.length; i++) {
      offsets[i] = memory.offsetOf(state[2 * i], state[2 * i + 1]);
      if (offsets[i] < 0) return undefined;
    }
    return new Backing(memory, state, offsets);
  }

  save(): BackingState {
    return this.#state.slice();
  }

  /** Converts `count` pixels at byte `from`, which must all be there, into `target` from `to` on. */
  read(format: PixelFormat, from: number, target: Uint32Array, to: number, count: number): void {
    if (this.#isAligned && from % 4 === 0) this.#readWords(format, from, target, to, count);
    else this.#readBytes(format, from, target, to, count);
  }

  #readWords(
    format: PixelFormat,
    from: number,
    target: Uint32Array,
    to: number,
    count: number,
  ): void {
    this.#eachPart(from, 4 * count, (start, length, done) => {
      convertPixels(format, this.#words, start / 4, target, to + done / 4, length / 4);
    });
  }

  /** Pixels that are cut in two by the end of a run, or lie across words, are put together first. */
  #readBytes(
    format: PixelFormat,
    from: number,
    target: Uint32Array,
    to: number,
    count: number,
  ): void {
    this.#scratch ??= new Uint32Array(SCRATCH_PIXELS);
    for (let done = 0; done < count; ) {
      const part = Math.min(count - done, SCRATCH_PIXELS);
      this.#gather(from + 4 * done, new Uint8Array(this.#scratch.buffer, 0, 4 * part));
      convertPixels(format, this.#scratch, 0, target, to + done, part);
      done += part;
    }
  }

  #gather(from: number, target: Uint8Array): void {
    this.#eachPart(from, target.length, (start, length, done) => {
      target.set(this.#bytes.subarray(start, start + length), done);
    });
  }

  /** Visits `count` bytes from `from` on by the runs they are in; `start` is a place in memory. */
  #eachPart(
    from: number,
    count: number,
    visit: (start: number, length: number, done: number) => void,
  ): void {
    let run = this.#find(from);
    let skip = from - this.#starts[run];
    for (let done = 0; done < count; run++) {
      const length = Math.min(count - done, this.#state[2 * run + 1] - skip);
      visit(this.#offsets[run] + skip, length, done);
      done += length;
      skip = 0;
    }
  }

  /** The run that byte `at` is in. */
  #find(at: number): number {
    let low = 0;
    let high = this.entries - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle] <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
