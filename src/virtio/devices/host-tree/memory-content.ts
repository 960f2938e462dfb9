/** The bytes of a file in memory, with holes, perhaps over bytes that are read when needed. */
import { totalLength } from "../../../packet/bytes.ts";
import { HostError } from "./errno.ts";
import type { Answer, FileTarget } from "./host-tree.ts";

/** Space is given out in pieces of this many bytes; a small file has less. */
const CHUNK = 64 * 1024;
/** Only the first may be this small, so that a file full of holes costs what it is counted for. */
const FIRST_CHUNK_MIN = 512;
const CHUNK_MIN = 4096;

/** A file that may grow without limit could make offsets inexact. */
export const FILE_SIZE_MAX = 2 ** 52;

/** Bytes that a file starts with, such as those of a file dropped on the page. */
export interface LazyBytes {
  readonly size: number;
  /** All of `length` bytes from `offset` on, which are inside. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Memory that a whole tree may use. */
export class SpaceBudget {
  readonly limit: number;
  used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** @throws HostError ENOSPC */
  take(bytes: number): void {
    if (this.used + bytes > this.limit) throw new HostError("ENOSPC");
    this.used += bytes;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}

export class MemoryContent {
  size = 0;
  /** Space in use, in bytes. */
  allocated = 0;
  readonly #budget: SpaceBudget;
  /** By number; bytes past the end of a short one are zeros. */
  readonly #chunks = new Map<number, Uint8Array>();
  readonly #base: LazyBytes | undefined;
  /** Up to here chunks that are absent are those of the base; it never grows. */
  #baseSize = 0;
  /** Operations that wait for the base, one after the other. */
  #busy: Promise<unknown> | undefined;

  constructor(budget: SpaceBudget, base?: LazyBytes) {
    this.#budget = budget;
    this.#base = base;
    this.size = this.#baseSize = base?.size ?? 0;
  }

  read(offset: number, target: FileTarget): Answer<number> {
    const length = Math.min(target.length, Math.max(0, this.size - offset));
    if (this.#needsBase(offset, length)) return this.#later(() => this.#readLazily(offset, target));
    for (const [index, from, count, at] of pieces(offset, length)) {
      this.#copyOut(index, from, count, target, at);
    }
    return length;
  }

  /** @throws HostError EFBIG, ENOSPC */
  write(offset: number, source: readonly Uint8Array[]): Answer<number> {
    const length = totalLength(source);
    if (offset + length > FILE_SIZE_MAX) throw new HostError("EFBIG");
    if (this.#busy !== undefined || this.#mustLoad(offset, length)) {
      const copies = source.map((part) => part.slice());
      return this.#later(async () => {
        await this.#load(offset, length);
        return this.#writeNow(offset, copies);
      });
    }
    return this.#writeNow(offset, source);
  }

  /** @throws HostError EFBIG */
  truncate(size: number): Answer<void> {
    if (size > FILE_SIZE_MAX) throw new HostError("EFBIG");
    if (this.#busy !== undefined) return this.#later(async () => this.#truncateNow(size));
    this.#truncateNow(size);
  }

  /** Makes zeros of a range, and gives its space back where whole chunks are in it. */
  zero(offset: number, length: number): Answer<void> {
    const end = Math.min(offset + length, this.size);
    const count = Math.max(0, end - offset);
    if (this.#busy !== undefined || this.#mustLoad(offset, count)) {
      return this.#later(async () => {
        await this.#load(offset, count);
        this.#zeroNow(offset, count);
      });
    }
    this.#zeroNow(offset, count);
  }

  /** The first data or hole at or after `offset`, in whole chunks. @throws HostError ENXIO */
  seek(offset: number, what: "data" | "hole"): number {
    if (offset >= this.size) throw new HostError("ENXIO");
    if (what === "hole") {
      let at = offset;
      while (at < this.size && this.#isData(Math.floor(at / CHUNK))) at = nextChunk(at);
      return Math.min(at, this.size);
    }
    const index = Math.floor(offset / CHUNK);
    if (this.#isData(index)) return offset;
    // Only chunks that exist are looked at, since a hole may be of petabytes.
    let found = Number.POSITIVE_INFINITY;
    for (const other of this.#chunks.keys()) if (other > index) found = Math.min(found, other);
    if (found * CHUNK >= this.size) throw new HostError("ENXIO");
    return found * CHUNK;
  }

  /** Gives all space back. */
  free(): void {
    this.#truncateNow(0);
  }

  #isData(index: number): boolean {
    return this.#chunks.has(index) || index * CHUNK < this.#baseSize;
  }

  #isLazy(index: number): boolean {
    return index * CHUNK < this.#baseSize && !this.#chunks.has(index);
  }

  #needsBase(offset: number, length: number): boolean {
    if (this.#busy !== undefined) return true;
    if (offset >= this.#baseSize) return false;
    for (const [index] of pieces(offset, length)) if (this.#isLazy(index)) return true;
    return false;
  }

  /** Whether a chunk would be changed in part of which the rest is still to be read. */
  #mustLoad(offset: number, length: number): boolean {
    return this.#edges(offset, length).length > 0;
  }

  /** The first and the last chunk of a range, if they are lazy and the range has them in part. */
  #edges(offset: number, length: number): number[] {
    if (length === 0) return [];
    const end = offset + length;
    const edges: number[] = [];
    if (offset % CHUNK !== 0) edges.push(Math.floor(offset / CHUNK));
    if (end % CHUNK !== 0) edges.push(Math.floor(end / CHUNK));
    return edges.filter((index, i) => this.#isLazy(index) && edges.indexOf(index) === i);
  }

  #later<T>(operation: () => Promise<T>): Promise<T> {
    const before = this.#busy ?? Promise.resolve();
    const mine = before.then(operation, operation);
    this.#busy = mine;
    const settled = () => {
      if (this.#busy === mine) this.#busy = undefined;
    };
    mine.then(settled, settled);
    return mine;
  }

  async #readLazily(offset: number, target: FileTarget): Promise<number> {
    // It may have become shorter meanwhile.
    const length = Math.min(target.length, Math.max(0, this.size - offset));
    for (const [index, from, count, at] of pieces(offset, length)) {
      if (this.#isLazy(index)) {
        const start = index * CHUNK + from;
        const there = Math.min(count, Math.max(0, this.#baseSize - start));
        if (there > 0) target.write(at, await this.#baseBytes(start, there));
        target.zero(at + there, count - there);
      } else {
        this.#copyOut(index, from, count, target, at);
      }
    }
    return length;
  }

  async #load(offset: number, length: number): Promise<void> {
    for (const index of this.#edges(offset, length)) {
      const start = index * CHUNK;
      const bytes = await this.#baseBytes(start, Math.min(CHUNK, this.#baseSize - start));
      this.#room(index, bytes.length).set(bytes);
    }
  }

  /** @throws HostError EIO if the source has changed since. */
  async #baseBytes(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#base?.read(offset, length);
    if (bytes?.length !== length) throw new HostError("EIO");
    return bytes;
  }

  #copyOut(index: number, from: number, count: number, target: FileTarget, at: number): void {
    const chunk = this.#chunks.get(index);
    const there = Math.min(count, Math.max(0, (chunk?.length ?? 0) - from));
    if (chunk !== undefined && there > 0) target.write(at, chunk.subarray(from, from + there));
    if (there < count) target.zero(at + there, count - there);
  }

  #writeNow(offset: number, source: readonly Uint8Array[]): number {
    let position = offset;
    for (const part of source) {
      for (const [index, from, count, at] of pieces(position, part.length)) {
        let chunk: Uint8Array;
        try {
          chunk = this.#room(index, from + count);
        } catch (error) {
          // What was written so far is written, as on a disk that becomes full.
          if (position + at === offset) throw error;
          return position + at - offset;
        }
        chunk.set(part.subarray(at, at + count), from);
        this.size = Math.max(this.size, position + at + count);
      }
      position += part.length;
    }
    return position - offset;
  }

  #zeroNow(offset: number, length: number): void {
    const end = offset + length;
    // A chunk of zeros hides what the base has there.
    for (let at = offset; at < Math.min(end, this.#baseSize); at = nextChunk(at)) {
      const index = Math.floor(at / CHUNK);
      if (this.#isLazy(index)) this.#room(index, 1);
    }
    // Only chunks that exist are looked at, since a hole may be of petabytes.
    for (const [index, chunk] of [...this.#chunks]) {
      const start = index * CHUNK;
      const isWhole = offset <= start && start + CHUNK <= end;
      if (isWhole && start >= this.#baseSize) this.#drop(index);
      else chunk.fill(0, clamp(offset - start, chunk.length), clamp(end - start, chunk.length));
    }
  }

  #truncateNow(size: number): void {
    if (size < this.size) {
      const last = Math.floor(size / CHUNK);
      for (const index of [...this.#chunks.keys()]) {
        if (index > last || (index === last && size % CHUNK === 0)) this.#drop(index);
      }
      // What lies behind the new end reads as zeros if the file grows again.
      this.#chunks.get(last)?.fill(0, size % CHUNK);
      this.#baseSize = Math.min(this.#baseSize, size);
    }
    this.size = size;
  }

  /** The chunk, with space for `length` bytes at least. @throws HostError ENOSPC */
  #room(index: number, length: number): Uint8Array {
    const old = this.#chunks.get(index);
    if (old !== undefined && old.length >= length) return old;
    let wanted = Math.max(index === 0 ? FIRST_CHUNK_MIN : CHUNK_MIN, old?.length ?? 0);
    while (wanted < length) wanted *= 2;
    this.#budget.take(wanted - (old?.length ?? 0));
    this.allocated += wanted - (old?.length ?? 0);
    const chunk = new Uint8Array(wanted);
    if (old !== undefined) chunk.set(old);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  #drop(index: number): void {
    const chunk = this.#chunks.get(index);
    if (chunk === undefined) return;
    this.#chunks.delete(index);
    this.#budget.give(chunk.length);
    this.allocated -= chunk.length;
  }
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(0, value), max);
}

function nextChunk(offset: number): number {
  return (Math.floor(offset / CHUNK) + 1) * CHUNK;
}

/** Cuts a range at chunks: which one, where in it, how many bytes, and where in the range. */
function* pieces(
  offset: number,
  length: number,
): Generator<readonly [index: number, from: number, count: number, at: number]> {
  for (let at = 0; at < length; ) {
    const index = Math.floor((offset + at) / CHUNK);
    const from = offset + at - index * CHUNK;
    const count = Math.min(CHUNK - from, length - at);
    yield [index, from, count, at];
    at += count;
  }
}
