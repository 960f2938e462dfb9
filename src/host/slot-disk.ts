/**
 * A disk in two files that can be read and written at once, as a Worker's are in the origin's private
 * file system: the chunks, and the index that tells where they are.
 *
 * A write is in the browser's hands when it completes, so that a crash of the tab costs only what is not
 * in the index yet, and `flush` asks for no more than the file system's own. What a chunk is at such a
 * moment is told in `slot-table.ts`.
 */
import { joined, totalLength } from "../packet/bytes.ts";
import { BaseChunks } from "./base-chunks.ts";
import { gather, type ReadTarget } from "./chunk-bytes.ts";
import { DiskScan } from "./disk-scan.ts";
import { DiskShape } from "./disk-shape.ts";
import type { BaseImage, DiskFault, GuestDisk, VisitChunk } from "./guest-disk.ts";
import type { SyncAccess } from "./handles/file-system-access.ts";
import { SlotTable, UNWRITTEN, writeAll, ZEROED } from "./slot-table.ts";

/** The files of a disk, open. */
export interface DiskFiles {
  readonly data: SyncAccess;
  readonly index: SyncAccess;
}

export interface SlotDiskOptions {
  readonly files: DiskFiles;
  /** Capacity in bytes. */
  readonly size: number;
  readonly chunkSize: number;
  readonly base?: BaseImage;
  /** Milliseconds after a write until it is durable without a flush; Infinity for never. */
  readonly writeBackMs?: number;
  /** Unused places in the data file that are left there. */
  readonly maxUnusedChunks?: number;
  /** Told of each failure of the files or the base, with its own error. */
  readonly onFault?: (error: unknown, what: DiskFault) => void;
}

/** Bounds what a crash costs a guest that never flushes; as long as the disks in IndexedDB take. */
const WRITE_BACK_MS = 1500;

/** Bytes that are moved between guest and file at a time: a call costs as much as 100 KiB of it. */
const STAGE_BYTES = 1 << 20;

/** Bytes of base chunks kept: the guest's own page cache is on top. */
const MAX_BASE_BYTES = 32 << 20;

/** Unused slots, as a part of those in use, from which on the data file is made shorter. */
const UNUSED_SHARE = 1 / 4;

/** Fewer unused slots than these are not worth it: 4 MiB of a new disk's. */
const MAX_UNUSED_CHUNKS = 128;

/** Chunks that are moved for it in one flush, which the guest waits for: 2 MiB of a new disk's. */
const MOVED_MAX = 64;

const NO_BYTES = new Uint8Array(0);

/** What was never written as far as a request is concerned: base chunks that had to be waited for. */
type Loaded = ReadonlyMap<number, Uint8Array>;
const NOTHING_LOADED: Loaded = new Map();

export class SlotDisk implements GuestDisk {
  readonly #shape: DiskShape;
  readonly #data: SyncAccess;
  readonly #table: SlotTable;
  readonly #base: BaseChunks;
  readonly #writeBackMs: number;
  readonly #maxUnused: number;
  readonly #onFault: (error: unknown, what: DiskFault) => void;
  readonly #stage = new Uint8Array(STAGE_BYTES);
  /** Chunks to which the present write gave slots, and what they were before. */
  readonly #taken: number[] = [];
  readonly #takenFrom: number[] = [];
  /** Length of the data file: what is past it was never written. */
  #dataEnd: number;
  #dirtyBytes = 0;
  #flushing: Promise<void> | undefined;
  /**
   * Why nothing can be called durable any more: after a flush that failed, the system may have dropped
   * what it could not write, and a later one that finds nothing left to do does not make that durable.
   */
  #unsynced: { readonly reason: unknown } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #scan: DiskScan | undefined;
  #lastScan: Promise<void> = Promise.resolve();

  /** Closing the disk closes the files. @throws DamagedIndexError if they cannot be a disk */
  constructor(options: SlotDiskOptions) {
    const { files, size, chunkSize, base } = options;
    this.#shape = new DiskShape(size, chunkSize);
    this.#data = files.data;
    this.#dataEnd = files.data.getSize();
    this.#table = new SlotTable(files.index, Math.ceil(this.#dataEnd / chunkSize));
    this.#base = new BaseChunks(base, chunkSize, MAX_BASE_BYTES);
    this.#writeBackMs = options.writeBackMs ?? WRITE_BACK_MS;
    this.#maxUnused = options.maxUnusedChunks ?? MAX_UNUSED_CHUNKS;
    this.#onFault = options.onFault ?? (() => {});
    this.#shorten();
  }

  get chunkSize(): number {
    return this.#shape.chunkSize;
  }

  get size(): number {
    return this.#shape.size;
  }

  grow(size: number): void {
    this.#shape.grow(size);
  }

  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  get storedBytes(): number {
    return this.#table.used * this.chunkSize;
  }

  read(offset: number, target: ReadTarget): void | Promise<void> {
    this.#shape.check(offset, target.length);
    const { length } = target;
    if (!this.#lacksBase(offset, length, "read")) {
      return this.#readNow(offset, target, NOTHING_LOADED);
    }
    const act = (loaded: Loaded) => this.#readNow(offset, target, loaded);
    return this.#withBase(offset, length, "read", act);
  }

  write(offset: number, source: readonly Uint8Array[]): void | Promise<void> {
    const length = totalLength(source);
    this.#shape.check(offset, length);
    if (!this.#lacksBase(offset, length, "write")) {
      return this.#writeNow(offset, length, source, NOTHING_LOADED);
    }
    const kept = [joined(source)];
    const act = (loaded: Loaded) => this.#writeNow(offset, length, kept, loaded);
    return this.#withBase(offset, length, "write", act);
  }

  writeZeroes(offset: number, length: number): void | Promise<void> {
    this.#shape.check(offset, length);
    if (!this.#lacksBase(offset, length, "write")) {
      return this.#zero(offset, length, NOTHING_LOADED);
    }
    const act = (loaded: Loaded) => this.#zero(offset, length, loaded);
    return this.#withBase(offset, length, "write", act);
  }

  discard(offset: number, length: number): void {
    this.#shape.check(offset, length);
    const end = this.#writtenEnd(offset + length);
    for (let at = offset; at < end; ) {
      const chunk = this.#shape.chunkOf(at);
      if (this.#isWhole(chunk, offset, length)) this.#free(chunk);
      at = (chunk + 1) * this.chunkSize;
    }
  }

  /** Those who ask in the same turn share one. */
  flush(): void | Promise<void> {
    if (this.#dirtyBytes === 0) return;
    this.#flushing ??= Promise.resolve().then(() => {
      this.#flushing = undefined;
      this.#store();
    });
    return this.#flushing;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      if (this.#dirtyBytes > 0) this.#store();
    } finally {
      clearTimeout(this.#timer);
      this.#data.close();
      this.#table.close();
    }
  }

  /** Scans come one after the other. */
  scan(visit: VisitChunk): Promise<void> {
    const scanning = this.#lastScan.then(() => this.#scanAll(visit));
    this.#lastScan = scanning.catch(() => {});
    return scanning;
  }

  async #scanAll(visit: VisitChunk): Promise<void> {
    this.#scan = new DiskScan(visit, (chunk) => this.#own(chunk));
    await this.#scan
      .run(() => this.#table.end)
      .finally(() => {
        this.#scan = undefined;
      });
  }

  /** A chunk's bytes, none if all are zeros; undefined if it was never written. */
  #own(chunk: number): Uint8Array<ArrayBuffer> | undefined {
    const slot = this.#table.slotOf(chunk);
    if (slot === UNWRITTEN) return undefined;
    const bytes = new Uint8Array(slot === ZEROED ? 0 : this.#shape.lengthOf(chunk));
    this.#fill(bytes, slot * this.chunkSize);
    return bytes;
  }

  /** Whether a range cannot be read or written before chunks of the base are in memory. */
  #lacksBase(offset: number, length: number, what: "read" | "write"): boolean {
    for (let at = offset; at < offset + length; ) {
      const chunk = this.#shape.chunkOf(at);
      at = (chunk + 1) * this.chunkSize;
      if (!this.#isOfBase(chunk)) continue;
      if (what === "write" && this.#isWhole(chunk, offset, length)) continue;
      if (this.#base.resident(chunk) === undefined) return true;
    }
    return false;
  }

  /** Does something to a range once all that it needs of the base is in memory. */
  async #withBase(
    offset: number,
    length: number,
    what: "read" | "write",
    act: (loaded: Loaded) => void,
  ): Promise<void> {
    const loads: Promise<[number, Uint8Array]>[] = [];
    for (let at = offset; at < offset + length; ) {
      const chunk = this.#shape.chunkOf(at);
      at = (chunk + 1) * this.chunkSize;
      if (!this.#isOfBase(chunk)) continue;
      if (what === "write" && this.#isWhole(chunk, offset, length)) continue;
      const bytes = this.#base.resident(chunk) ?? this.#base.load(chunk);
      loads.push(Promise.resolve(bytes).then((bytes) => [chunk, bytes]));
    }
    const loaded = await Promise.all(loads).catch((error: unknown) => {
      this.#onFault(error, "read");
      throw error;
    });
    act(new Map(loaded));
  }

  #readNow(offset: number, target: ReadTarget, loaded: Loaded): void {
    const { length } = target;
    for (let at = 0; at < length; ) {
      const chunk = this.#shape.chunkOf(offset + at);
      const start = offset + at - chunk * this.chunkSize;
      const slot = this.#table.slotOf(chunk);
      if (slot >= 0) {
        const count = this.#run(chunk, start, Math.min(length - at, STAGE_BYTES));
        const bytes = this.#stage.subarray(0, count);
        this.#fill(bytes, slot * this.chunkSize + start);
        target.write(at, bytes);
        at += count;
        continue;
      }
      const count = Math.min(this.chunkSize - start, length - at);
      const bytes = this.#baseOf(chunk, loaded)?.subarray(start, start + count) ?? NO_BYTES;
      if (bytes.length > 0) target.write(at, bytes);
      if (bytes.length < count) target.zero(at + bytes.length, count - bytes.length);
      at += count;
    }
  }

  /** Either all chunks that it writes to have slots afterwards, or those that had none have none. */
  #writeNow(offset: number, length: number, source: readonly Uint8Array[], loaded: Loaded): void {
    this.#taken.length = 0;
    this.#takenFrom.length = 0;
    try {
      this.#makeRoom(offset, length, loaded);
      for (let at = 0; at < length; at += STAGE_BYTES) {
        const count = Math.min(STAGE_BYTES, length - at);
        const bytes = this.#stage.subarray(0, count);
        gather(source, { index: 0, start: 0, length: count, at }, bytes);
        this.#put(bytes, offset + at);
      }
    } catch (error) {
      for (const [i, chunk] of this.#taken.entries()) {
        this.#table.untake(chunk, this.#takenFrom[i]);
      }
      this.#onFault(error, "store");
      throw error;
    } finally {
      this.#changed(length);
    }
  }

  /** Gives a slot to each chunk of a range that has none, with what it is apart from the range. */
  #makeRoom(offset: number, length: number, loaded: Loaded): void {
    for (let at = offset; at < offset + length; ) {
      const chunk = this.#shape.chunkOf(at);
      at = (chunk + 1) * this.chunkSize;
      this.#scan?.show(chunk);
      const was = this.#table.slotOf(chunk);
      if (was >= 0) continue;
      const background = was === UNWRITTEN ? this.#baseOf(chunk, loaded) : undefined;
      const slot = this.#table.take(chunk);
      this.#taken.push(chunk);
      this.#takenFrom.push(was);
      const start = slot * this.chunkSize;
      const isFilled = this.#isWhole(chunk, offset, length) && this.#isFull(chunk);
      if (isFilled || (background === undefined && start >= this.#dataEnd)) continue;
      const bytes = this.#stage.subarray(0, this.chunkSize).fill(0);
      if (background !== undefined) bytes.set(background);
      this.#writeAt(bytes, start);
    }
  }

  /** Writes bytes to chunks that have slots, those that lie together at once. */
  #put(bytes: Uint8Array, offset: number): void {
    for (let at = 0; at < bytes.length; ) {
      const chunk = this.#shape.chunkOf(offset + at);
      const start = offset + at - chunk * this.chunkSize;
      const count = this.#run(chunk, start, bytes.length - at);
      const position = this.#table.slotOf(chunk) * this.chunkSize + start;
      this.#writeAt(bytes.subarray(at, at + count), position);
      at += count;
    }
  }

  #zero(offset: number, length: number, loaded: Loaded): void {
    const last = this.#writtenEnd(offset + length);
    for (let at = offset; at < last; ) {
      const chunk = this.#shape.chunkOf(at);
      const end = Math.min(offset + length, (chunk + 1) * this.chunkSize);
      if (this.#isWhole(chunk, offset, length)) this.#free(chunk);
      else if (this.#table.slotOf(chunk) >= 0 || this.#isOfBase(chunk)) {
        this.#writeNow(at, end - at, [new Uint8Array(end - at)], loaded);
      }
      at = end;
    }
  }

  /** A chunk reads as zeros from now on, and takes no room. */
  #free(chunk: number): void {
    const was = this.#table.slotOf(chunk);
    const becomes = this.#base.covers(chunk) ? ZEROED : UNWRITTEN;
    if (was === becomes) return;
    this.#scan?.show(chunk);
    this.#table.set(chunk, becomes);
    this.#changed(this.chunkSize);
  }

  #writeAt(bytes: Uint8Array, position: number): void {
    // A write that fails may have written a part.
    this.#dataEnd = Math.max(this.#dataEnd, position + bytes.length);
    writeAll(this.#data, bytes, position);
  }

  /** Fills `bytes` from the data file; past its end are zeros. */
  #fill(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const count = this.#data.read(bytes, { at: position });
    if (count < bytes.length) bytes.fill(0, count);
  }

  /** How many of up to `most` bytes from a place on lie together in the data file. */
  #run(chunk: number, start: number, most: number): number {
    let count = this.chunkSize - start;
    const slot = this.#table.slotOf(chunk);
    for (let next = 1; count < most; next++) {
      if (this.#table.slotOf(chunk + next) !== slot + next) break;
      count += this.chunkSize;
    }
    return Math.min(count, most);
  }

  /** @throws the file system's error */
  #store(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (this.#unsynced !== undefined) throw this.#unsynced.reason;
      const isLoose = this.#isLoose;
      if (isLoose) this.#compact();
      this.#sync(() => this.#data.flush());
      this.#table.store((flush) => this.#sync(flush));
      this.#dirtyBytes = 0;
      if (isLoose) this.#shorten();
      // What is left of it is done without a guest that waits.
      if (this.#isLoose) this.#changed(this.chunkSize);
    } catch (error) {
      this.#onFault(error, "store");
      this.#arm();
      throw error;
    }
  }

  #sync(flush: () => void): void {
    try {
      flush();
    } catch (error) {
      this.#unsynced = { reason: error };
      throw error;
    }
  }

  get #isLoose(): boolean {
    const { unused, used } = this.#table;
    return unused > this.#maxUnused && unused > used * UNUSED_SHARE;
  }

  #compact(): void {
    const bytes = this.#stage.subarray(0, this.chunkSize);
    const copy = (from: number, to: number): void => {
      this.#fill(bytes, from * this.chunkSize);
      this.#writeAt(bytes, to * this.chunkSize);
    };
    try {
      this.#table.compact(MOVED_MAX, copy);
    } catch (error) {
      // The chunk is where it was, and what the guest wrote is stored all the same.
      this.#onFault(error, "store");
    }
  }

  /** Gives the end of the data file back, where nobody uses it. */
  #shorten(): void {
    const end = this.#table.trim() * this.chunkSize;
    if (end >= this.#dataEnd) return;
    try {
      this.#data.truncate(end);
      this.#dataEnd = end;
    } catch (error) {
      // It is longer than it has to be, which is all.
      this.#onFault(error, "store");
    }
  }

  #changed(bytes: number): void {
    this.#dirtyBytes += bytes;
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#unsynced !== undefined) return;
    if (this.#writeBackMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      try {
        this.#store();
      } catch {
        // It was told to `onFault`, and the timer is armed again.
      }
    }, this.#writeBackMs);
  }

  #baseOf(chunk: number, loaded: Loaded): Uint8Array | undefined {
    if (!this.#isOfBase(chunk)) return undefined;
    return loaded.get(chunk) ?? this.#base.resident(chunk);
  }

  #isOfBase(chunk: number): boolean {
    return this.#base.covers(chunk) && this.#table.slotOf(chunk) === UNWRITTEN;
  }

  /** `end`, or a place before it behind which there are zeros already: a whole disk costs no more. */
  #writtenEnd(end: number): number {
    return Math.min(end, Math.max(this.#table.end * this.chunkSize, this.#base.size));
  }

  #isFull(chunk: number): boolean {
    return this.#shape.lengthOf(chunk) === this.chunkSize;
  }

  /** Whether a range has all of a chunk. */
  #isWhole(chunk: number, offset: number, length: number): boolean {
    const start = chunk * this.chunkSize;
    return offset <= start && start + this.#shape.lengthOf(chunk) <= offset + length;
  }
}
