/**
 * One descriptor chain taken from a queue: checked views on guest RAM, nothing copied.
 *
 * A chain outlives neither its queue nor its completion: afterwards it is not `alive`, and writing
 * to it does nothing. So a request that the host finishes late can never touch a guest that has
 * reset the device and uses the memory for something else.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";

/** The side of a queue that a chain depends on. */
export interface ChainOwner {
  readonly memory: GuestMemory;
  /** Changes whenever the queue is reset, stopped or set up anew. */
  readonly generation: number;
}

/** Structured-clonable; the parts are guest physical addresses and lengths. */
export interface ChainState {
  readonly id: number;
  readonly slots: number;
  readonly readable: readonly (readonly [gpa: number, length: number])[];
  readonly writable: readonly (readonly [gpa: number, length: number])[];
  /** Of a chain that was given back and waits for those before it, the bytes written. */
  readonly result?: number;
}

export class DescriptorChain {
  /** What the used element names: the head (split) or the buffer id (packed). */
  id = 0;
  /** Places in the ring that the chain takes up. */
  slots = 1;
  /** Where in the ring it was taken, as the layout counts positions; -1 if it was loaded. */
  position = -1;
  readonly readable: Uint8Array[] = [];
  /** For lengths and addresses; write through `writeAt`, which knows when it must not. */
  readonly writable: Uint8Array[] = [];
  readableLength = 0;
  writableLength = 0;
  /** Bytes written, for the queue alone: -1 until the chain was given back. */
  result = -1;
  readonly #readableAddresses: number[] = [];
  readonly #writableAddresses: number[] = [];
  readonly #owner: ChainOwner;
  readonly #generation: number;
  #completed = false;
  /** Bytes from the start of the writable part that may have been written. */
  #touched = 0;

  constructor(owner: ChainOwner) {
    this.#owner = owner;
    this.#generation = owner.generation;
  }

  /** False once completed, or once the queue or the device was reset. */
  get alive(): boolean {
    return !this.#completed && this.#generation === this.#owner.generation;
  }

  addReadable(view: Uint8Array, gpa: number): void {
    this.readable.push(view);
    this.#readableAddresses.push(gpa);
    this.readableLength += view.length;
  }

  addWritable(view: Uint8Array, gpa: number): void {
    this.writable.push(view);
    this.#writableAddresses.push(gpa);
    this.writableLength += view.length;
  }

  /** Copies readable bytes from `offset` on into `target`; returns how many there were. */
  readAt(offset: number, target: Uint8Array): number {
    return copyFrom(this.readable, offset, target);
  }

  /** As `readAt`, for a driver that puts what it sends where answers go. */
  readWritableAt(offset: number, target: Uint8Array): number {
    return copyFrom(this.writable, offset, target);
  }

  /** Views of `length` readable bytes from `offset` on, or of as many as there are. */
  readableViews(offset: number, length = this.readableLength): Uint8Array[] {
    return viewsOf(this.readable, offset, length);
  }

  /** As `readableViews`, for what is written during the call only; none if not alive. */
  writableViews(offset: number, length: number): Uint8Array[] {
    return this.alive ? viewsOf(this.writable, offset, length) : [];
  }

  /** Where the writable part is in guest memory, for devices that deal in pages and not in data. */
  *writableRanges(): Iterable<{ readonly gpa: number; readonly length: number }> {
    for (const [i, view] of this.writable.entries()) {
      yield { gpa: this.#writableAddresses[i], length: view.length };
    }
  }

  /** Writes `bytes` at `offset` of the writable part; returns how many fitted, 0 if not alive. */
  writeAt(offset: number, bytes: Uint8Array): number {
    if (!this.alive) return 0;
    let done = 0;
    let skip = offset;
    for (const part of this.writable) {
      if (skip >= part.length) {
        skip -= part.length;
        continue;
      }
      const count = Math.min(part.length - skip, bytes.length - done);
      if (count === 0) break;
      part.set(count === bytes.length ? bytes : bytes.subarray(done, done + count), skip);
      done += count;
      skip = 0;
    }
    this.#touch(offset + done);
    return done;
  }

  /** Fills `length` writable bytes from `offset` on with `value`; nothing if not alive. */
  fillAt(offset: number, length: number, value: number): void {
    if (!this.alive) return;
    let left = length;
    let skip = offset;
    for (const part of this.writable) {
      if (skip >= part.length) {
        skip -= part.length;
        continue;
      }
      const count = Math.min(part.length - skip, left);
      part.fill(value, skip, skip + count);
      left -= count;
      skip = 0;
      if (left === 0) break;
    }
    this.#touch(offset + length - left);
  }

  /**
   * Ends the chain's life, for the queue alone: false if it had ended before. Tells the memory's
   * observers of everything written, since that may have happened long after the chain was taken.
   */
  complete(bytesWritten: number): boolean {
    if (!this.alive) return false;
    this.#completed = true;
    this.result = bytesWritten;
    let left = Math.max(this.#touched, bytesWritten);
    for (let i = 0; i < this.writable.length && left > 0; i++) {
      const count = Math.min(this.writable[i].length, left);
      this.#owner.memory.written(this.#writableAddresses[i], count);
      left -= count;
    }
    return true;
  }

  /** Everything that a saved machine needs to go on with the chain. */
  save(): ChainState {
    return {
      id: this.id,
      slots: this.slots,
      readable: this.readable.map((view, i) => [this.#readableAddresses[i], view.length]),
      writable: this.writable.map((view, i) => [this.#writableAddresses[i], view.length]),
      ...(this.#completed ? { result: this.result } : {}),
    };
  }

  /** A chain as it was saved, or undefined if its parts are not RAM or it takes up no place. */
  static load(owner: ChainOwner, state: ChainState): DescriptorChain | undefined {
    if (!(state.slots >= 1)) return undefined;
    const chain = new DescriptorChain(owner);
    chain.id = state.id;
    chain.slots = state.slots;
    for (const [gpa, length] of state.readable) {
      const view = owner.memory.view(gpa, length);
      if (view === undefined) return undefined;
      chain.addReadable(view, gpa);
    }
    for (const [gpa, length] of state.writable) {
      const view = owner.memory.view(gpa, length);
      if (view === undefined) return undefined;
      chain.addWritable(view, gpa);
    }
    return chain;
  }

  #touch(end: number): void {
    if (end > this.#touched) this.#touched = end;
  }
}

function viewsOf(parts: readonly Uint8Array[], offset: number, length: number): Uint8Array[] {
  const views: Uint8Array[] = [];
  let skip = offset;
  let left = length;
  for (const part of parts) {
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    if (left === 0) break;
    const count = Math.min(part.length - skip, left);
    views.push(count === part.length ? part : part.subarray(skip, skip + count));
    left -= count;
    skip = 0;
  }
  return views;
}

/** Up to so many bytes, such as a status or a header, are copied faster one by one. */
const FEW_BYTES = 16;

function copyFrom(parts: readonly Uint8Array[], offset: number, target: Uint8Array): number {
  let done = 0;
  let skip = offset;
  for (const part of parts) {
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const count = Math.min(part.length - skip, target.length - done);
    if (count <= FEW_BYTES) {
      for (let i = 0; i < count; i++) target[done + i] = part[skip + i];
    } else {
      target.set(count === part.length ? part : part.subarray(skip, skip + count), done);
    }
    done += count;
    skip = 0;
    if (done === target.length) break;
  }
  return done;
}

/** Reads a chain from its start, little-endian. */
export class ChainReader {
  readonly #chain: DescriptorChain;
  readonly #scratch = new DataView(new ArrayBuffer(8));
  #position = 0;

  constructor(chain: DescriptorChain) {
    this.#chain = chain;
  }

  get remaining(): number {
    return this.#chain.readableLength - this.#position;
  }

  /** Up to `length` bytes, copied. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(Math.min(length, this.remaining));
    this.#chain.readAt(this.#position, copy);
    this.#position += copy.length;
    return copy;
  }

  /** The rest, as views. */
  views(): Uint8Array[] {
    return this.#chain.readableViews(this.#position);
  }

  skip(length: number): void {
    this.#position += Math.min(length, this.remaining);
  }

  /** The integers below are undefined when the chain ends before them. */
  u8(): number | undefined {
    return this.#load(1) ? this.#scratch.getUint8(0) : undefined;
  }

  u16(): number | undefined {
    return this.#load(2) ? this.#scratch.getUint16(0, true) : undefined;
  }

  u32(): number | undefined {
    return this.#load(4) ? this.#scratch.getUint32(0, true) : undefined;
  }

  /** As a number; 2^53 and above lose low bits, which no valid sector or length reaches. */
  u64(): number | undefined {
    if (!this.#load(8)) return undefined;
    return this.#scratch.getUint32(0, true) + this.#scratch.getUint32(4, true) * 0x1_0000_0000;
  }

  #load(length: number): boolean {
    if (this.remaining < length) return false;
    this.#chain.readAt(this.#position, new Uint8Array(this.#scratch.buffer, 0, length));
    this.#position += length;
    return true;
  }
}

/** Writes a chain from its start and counts what was written. */
export class ChainWriter {
  readonly #chain: DescriptorChain;
  #position = 0;

  constructor(chain: DescriptorChain) {
    this.#chain = chain;
  }

  /** Bytes written so far: what `push` wants to know. */
  get written(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#chain.writableLength - this.#position;
  }

  /** Writes what fits and returns how much that was. */
  write(bytes: Uint8Array): number {
    const count = this.#chain.writeAt(this.#position, bytes);
    this.#position += count;
    return count;
  }
}
