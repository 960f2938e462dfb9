/**
 * A sparse disk of fixed-size chunks with a write-back cache: the logic of the IndexedDB disk.
 *
 * A write is in memory when it completes; `flush` completes when everything written before it is in
 * the store for good. Chunks that could not be stored stay dirty, so nothing is lost silently: the
 * flush fails, and a later one tries again. Chunks that are all zeros take no storage.
 */
import { isZero } from "../memory/guest-memory.ts";
import { joined, totalLength } from "../packet/bytes.ts";
import { SECTOR_SIZE } from "../virtio/devices/block-backend.ts";
import {
  type Chunk,
  copyOut,
  gather,
  lengthened,
  type Piece,
  type ReadTarget,
} from "./chunk-bytes.ts";
import { ChunkLoads } from "./chunk-loads.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { DiskShape } from "./disk-shape.ts";
import type { BaseImage, DiskFault, GuestDisk } from "./guest-disk.ts";

export interface ChunkedDiskOptions {
  readonly store: ChunkStore;
  /** Capacity in bytes. */
  readonly size: number;
  readonly chunkSize: number;
  readonly base?: BaseImage;
  /** Bytes of unstored writes at which a writer has to wait for the store. */
  readonly maxDirtyBytes?: number;
  /** Bytes of clean chunks kept for reading. */
  readonly maxCleanBytes?: number;
  /** Milliseconds after a write until it is stored without a flush; Infinity for never. */
  readonly writeBackMs?: number;
  /** Told of each failure of the store or the base, with its own error. */
  readonly onFault?: (error: unknown, what: DiskFault) => void;
}

/** Bounds what a crash of the tab can cost a guest that never flushes, and the Worker's memory. */
const MAX_DIRTY_BYTES = 32 << 20;

/**
 * A writer that fills this share of what may be unstored has it stored while it goes on writing. It would
 * else wait for the store each time all is full, and the store for the writer in between.
 */
const EAGER_SHARE = 4;

/** Several times the guest's own default page cache gains little; this covers a root filesystem. */
const MAX_CLEAN_BYTES = 48 << 20;

/** Long enough to gather a burst of writes in one transaction, short enough not to be noticed. */
const WRITE_BACK_MS = 1500;

interface Load {
  readonly chunk: Promise<Chunk>;
  /** The chunk was replaced meanwhile, so what arrives is out of date. */
  overtaken: boolean;
}

/** Stored where a base image must not shine through: an empty record reads as zeros. */
const ZERO_MARK = new Uint8Array(0);

export class ChunkedDisk implements GuestDisk {
  readonly #shape: DiskShape;
  readonly #store: ChunkStore;
  readonly #base: BaseImage | undefined;
  readonly #maxDirty: number;
  readonly #maxCleanChunks: number;
  readonly #writeBackMs: number;
  readonly #onFault: (error: unknown, what: DiskFault) => void;
  readonly #stored: Set<number>;
  readonly #dirty = new Map<number, Chunk>();
  #committing: ReadonlyMap<number, Chunk> = new Map();
  /** In order of use, the longest unused first. */
  readonly #clean = new Map<number, Chunk>();
  readonly #loads = new Map<number, Load>();
  readonly #reads: ChunkLoads;
  #commit: Promise<void> | undefined;
  #queuedFlush: Promise<void> | undefined;
  /** The last commit failed: the next is left to the timer and to those who wait for it. */
  #isFailing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Reads which chunks the store has, and opens. */
  static async open(options: ChunkedDiskOptions): Promise<ChunkedDisk> {
    return new ChunkedDisk(options, await options.store.indices());
  }

  private constructor(options: ChunkedDiskOptions, stored: readonly number[]) {
    this.#shape = new DiskShape(options.size, options.chunkSize);
    this.#store = options.store;
    this.#reads = new ChunkLoads(options.store);
    this.#base = options.base;
    this.#maxDirty = options.maxDirtyBytes ?? MAX_DIRTY_BYTES;
    this.#maxCleanChunks = Math.ceil(
      (options.maxCleanBytes ?? MAX_CLEAN_BYTES) / options.chunkSize,
    );
    this.#writeBackMs = options.writeBackMs ?? WRITE_BACK_MS;
    this.#onFault = options.onFault ?? (() => {});
    this.#stored = new Set(stored);
  }

  get chunkSize(): number {
    return this.#shape.chunkSize;
  }

  /** Capacity in bytes. */
  get size(): number {
    return this.#shape.size;
  }

  grow(size: number): void {
    this.#shape.grow(size);
  }

  /** Bytes written that are not in the store yet. */
  get dirtyBytes(): number {
    return (this.#dirty.size + this.#committing.size) * this.chunkSize;
  }

  /** Bytes that the store holds for this disk, about. */
  get storedBytes(): number {
    return this.#stored.size * this.chunkSize;
  }

  /** Fills `target` from `offset`; at once if all of it is in memory. Rejects if it cannot be had. */
  read(offset: number, target: ReadTarget): void | Promise<void> {
    const missing = this.#pieces(offset, target.length).filter((piece) => {
      const chunk = this.#resident(piece.index);
      if (chunk !== undefined) copyOut(chunk, piece, target);
      return chunk === undefined;
    });
    if (missing.length > 0) return this.#readMissing(missing, target);
  }

  /**
   * Takes the bytes of `source`, one part after the other, at `offset`; at once if no chunk has to be
   * loaded for it. `source` is not used after the call. Rejects when the store is full or failing and
   * no more can be held.
   */
  write(offset: number, source: readonly Uint8Array[]): void | Promise<void> {
    const pieces = this.#pieces(offset, totalLength(source));
    const isReady = (piece: Piece) =>
      this.#isWhole(piece) || this.#resident(piece.index) !== undefined;
    if (this.#isFull || !pieces.every(isReady)) {
      return this.#writeLater(pieces, [joined(source)]);
    }
    for (const piece of pieces) this.#put(piece, this.#resident(piece.index), source);
  }

  /** Makes a range read as zeros, and frees the storage of every chunk wholly inside it. */
  async writeZeroes(offset: number, length: number): Promise<void> {
    while (this.#isFull) await (this.#commit ?? this.#startCommit());
    for (const piece of this.#pieces(offset, length)) {
      if (this.#isWhole(piece)) {
        this.#zero(piece.index);
        continue;
      }
      await this.#change(piece.index, (chunk) => {
        if (chunk.bytes === undefined) return;
        // Behind its bytes there are zeros already.
        chunk.bytes.fill(0, piece.start, piece.start + piece.length);
        this.#markDirty(piece.index, chunk);
      });
    }
  }

  /** The guest no longer needs a range: whole chunks inside it are freed, the rest is kept. */
  async discard(offset: number, length: number): Promise<void> {
    for (const piece of this.#pieces(offset, length)) {
      if (this.#isWhole(piece)) this.#zero(piece.index);
    }
  }

  /** Resolves when every write that completed before the call is durable. Rejects if one is not. */
  flush(): Promise<void> {
    if (this.#dirty.size === 0 && this.#commit === undefined) return Promise.resolve();
    // Callers that arrive before this commit starts share it: it will contain their writes.
    this.#queuedFlush ??= Promise.resolve().then(() => this.#flushAfterCommit());
    return this.#queuedFlush;
  }

  /** Stores what is left and stops the timer. Rejects if something could not be stored. */
  async close(): Promise<void> {
    await this.flush();
    this.#disarm();
  }

  async #readMissing(missing: readonly Piece[], target: ReadTarget): Promise<void> {
    this.#startLoads(missing.map((piece) => piece.index));
    await Promise.all(
      missing.map(async (piece) => {
        copyOut(await this.#loads.get(piece.index)!.chunk, piece, target);
      }),
    );
  }

  async #writeLater(pieces: readonly Piece[], data: readonly Uint8Array[]): Promise<void> {
    while (this.#isFull) await (this.#commit ?? this.#startCommit());
    for (const piece of pieces) {
      if (this.#isWhole(piece)) this.#put(piece, this.#resident(piece.index), data);
      else await this.#change(piece.index, (chunk) => this.#put(piece, chunk, data));
    }
  }

  /** Puts a piece of `data` into its chunk, which is replaced as a whole if it is not given. */
  #put(piece: Piece, chunk: Chunk | undefined, data: readonly Uint8Array[]): void {
    const bytes = lengthened(chunk?.bytes, this.#shape.lengthOf(piece.index));
    gather(data, piece, bytes);
    if (chunk !== undefined) chunk.bytes = bytes;
    this.#markDirty(piece.index, chunk ?? { bytes });
  }

  async #flushAfterCommit(): Promise<void> {
    // A writer waiting for room may start another commit first, so one wait is not enough.
    while (this.#commit !== undefined) await this.#commit.catch(() => {});
    this.#queuedFlush = undefined;
    if (this.#dirty.size > 0) await this.#startCommit();
  }

  /** Stores all dirty chunks in one transaction. One at a time: callers wait for `#commit` first. */
  #startCommit(): Promise<void> {
    this.#disarm();
    // Those who asked before have what was stored before.
    this.#reads.begin();
    const batch = new Map(this.#dirty);
    this.#committing = batch;
    this.#dirty.clear();
    const changes = new Map<number, Uint8Array<ArrayBuffer> | null>();
    for (const [index, chunk] of batch) changes.set(index, this.#record(index, chunk));
    this.#commit = this.#store.commit(changes).then(
      () => this.#committed(changes),
      (error: unknown) => {
        this.#returnToDirty();
        this.#onFault(error, "store");
        throw error;
      },
    );
    return this.#commit;
  }

  #committed(changes: ReadonlyMap<number, Uint8Array | null>): void {
    const batch = this.#committing;
    this.#committing = new Map();
    this.#commit = undefined;
    this.#isFailing = false;
    for (const [index, bytes] of changes) {
      if (bytes === null) this.#stored.delete(index);
      else this.#stored.add(index);
      if (!this.#dirty.has(index)) this.#keepClean(index, batch.get(index)!);
    }
    if (this.#dirty.size > 0) this.#storeSoon();
  }

  #returnToDirty(): void {
    for (const [index, chunk] of this.#committing) {
      if (!this.#dirty.has(index)) this.#dirty.set(index, chunk);
    }
    this.#committing = new Map();
    this.#commit = undefined;
    this.#isFailing = true;
    this.#arm();
  }

  /** What the store should hold for a chunk. */
  #record(index: number, chunk: Chunk): Uint8Array<ArrayBuffer> | null {
    if (chunk.bytes !== undefined && !isZero(chunk.bytes)) return chunk.bytes;
    return this.#hasBase(index) ? ZERO_MARK : null;
  }

  /**
   * Writers wait, and look again: whoever waited with them may have taken the room. They look themselves,
   * since somebody else could take it before the answer of another function has come.
   */
  get #isFull(): boolean {
    return this.dirtyBytes >= this.#maxDirty;
  }

  #zero(index: number): void {
    this.#overtake(index);
    const isKnown = this.#dirty.has(index) || this.#committing.has(index) || this.#clean.has(index);
    // A chunk that is nowhere already reads as zeros: a discard of a whole sparse disk costs nothing.
    if (!isKnown && !this.#stored.has(index) && !this.#hasBase(index)) return;
    this.#markDirty(index, { bytes: undefined });
  }

  #markDirty(index: number, chunk: Chunk): void {
    this.#overtake(index);
    this.#clean.delete(index);
    this.#dirty.set(index, chunk);
    this.#storeSoon();
  }

  #overtake(index: number): void {
    const load = this.#loads.get(index);
    if (load === undefined) return;
    load.overtaken = true;
    this.#loads.delete(index);
  }

  #keepClean(index: number, chunk: Chunk): void {
    if (chunk.bytes === undefined && !this.#hasBase(index)) return;
    this.#clean.set(index, chunk);
    for (const oldest of this.#clean.keys()) {
      if (this.#clean.size <= this.#maxCleanChunks) break;
      this.#clean.delete(oldest);
    }
  }

  /** The chunk as it is now, or undefined if it has to be loaded. */
  #resident(index: number): Chunk | undefined {
    const fresh = this.#dirty.get(index) ?? this.#committing.get(index);
    if (fresh !== undefined) return fresh;
    const clean = this.#clean.get(index);
    if (clean !== undefined) {
      this.#clean.delete(index);
      this.#clean.set(index, clean);
      return clean;
    }
    return this.#stored.has(index) || this.#hasBase(index) ? undefined : { bytes: undefined };
  }

  /**
   * Has `change` done to a chunk once it is in memory. It gets the chunk as it is at that moment: a
   * writer that kept one across a wait would undo what another has written to it meanwhile.
   */
  async #change(index: number, change: (chunk: Chunk) => void): Promise<void> {
    for (;;) {
      const chunk = this.#resident(index);
      if (chunk !== undefined) return change(chunk);
      this.#startLoads([index]);
      const load = this.#loads.get(index)!;
      const loaded = await load.chunk;
      // Another writer may have made the chunk its own while this one waited for the same load.
      if (!load.overtaken) return change(this.#resident(index) ?? loaded);
    }
  }

  /** Starts loading chunks that are not on their way yet; the store is asked now if it has nothing to do. */
  #startLoads(indices: readonly number[]): void {
    const isIdle = this.#loads.size === 0;
    for (const index of indices) {
      if (this.#loads.has(index)) continue;
      const bytes = this.#stored.has(index) ? this.#fromStore(index) : this.#fromBase(index);
      const load: Load = { chunk: bytes.then((b) => ({ bytes: b })), overtaken: false };
      this.#loads.set(index, load);
      load.chunk.then(
        (chunk) => this.#loaded(index, load, chunk),
        (error: unknown) => {
          if (this.#loads.get(index) === load) this.#loads.delete(index);
          this.#onFault(error, "read");
        },
      );
    }
    if (isIdle || this.#reads.areGathered) this.#reads.begin();
  }

  #loaded(index: number, load: Load, chunk: Chunk): void {
    if (load.overtaken) return;
    this.#loads.delete(index);
    this.#keepClean(index, chunk);
  }

  async #fromStore(index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#fromRecord(index, await this.#reads.load(index));
  }

  /** @throws Error if the record is gone or torn: data was lost, and the guest must hear of it. */
  #fromRecord(
    index: number,
    record: Uint8Array<ArrayBuffer> | undefined,
  ): Uint8Array<ArrayBuffer> | undefined {
    if (record?.length === 0) return undefined;
    const length = this.#shape.lengthOf(index);
    if (record?.length === length) return record;
    // The last chunk of a disk that has grown since.
    const isOlder =
      record !== undefined && record.length < length && record.length % SECTOR_SIZE === 0;
    if (isOlder) return record;
    throw new Error(
      `chunk ${index} of the disk is ${record === undefined ? "missing" : "damaged"}`,
    );
  }

  async #fromBase(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const start = index * this.chunkSize;
    const available = Math.min(this.#base!.size - start, this.#shape.lengthOf(index));
    const part = await this.#base!.read(start, available);
    const bytes = new Uint8Array(this.#shape.lengthOf(index));
    bytes.set(part);
    return bytes;
  }

  #hasBase(index: number): boolean {
    return this.#base !== undefined && index * this.chunkSize < this.#base.size;
  }

  #isWhole(piece: Piece): boolean {
    return piece.length === this.#shape.lengthOf(piece.index);
  }

  /** @throws RangeError if the range is not wholly on the disk. */
  #pieces(offset: number, length: number): Piece[] {
    this.#shape.check(offset, length);
    const pieces: Piece[] = [];
    for (let at = 0; at < length; ) {
      const index = this.#shape.chunkOf(offset + at);
      const start = offset + at - index * this.chunkSize;
      const part = Math.min(length - at, this.chunkSize - start);
      pieces.push({ index, start, length: part, at });
      at += part;
    }
    return pieces;
  }

  #storeSoon(): void {
    const isMuch = this.#dirty.size * this.chunkSize * EAGER_SHARE >= this.#maxDirty;
    // A flush that waits for the present commit is next: else it would wait for as long as somebody writes.
    const isFree = this.#commit === undefined && this.#queuedFlush === undefined;
    if (isMuch && isFree && !this.#isFailing) this.#startCommit().catch(() => {});
    else this.#arm();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#writeBackMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // A failure is told to `onFault`, keeps its chunks dirty and arms the timer again.
      if (this.#dirty.size > 0 && this.#commit === undefined) this.#startCommit().catch(() => {});
    }, this.#writeBackMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
