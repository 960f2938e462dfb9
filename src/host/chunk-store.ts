/** The chunks of one disk in an idb-keyval store: numbers are chunk indices, `META_KEY` describes. */
import { get, getMany, promisifyRequest, set, type UseStore } from "idb-keyval";
import type { VisitChunk } from "./guest-disk.ts";

/** Where a disk's description is; a string, so it sorts after every chunk index. */
const META_KEY = "meta";

/**
 * How a disk is stored: as records beside its description, or in files of the origin's private file
 * system. A new number when the meaning of either changes; others are refused, not guessed at.
 */
export const DiskFormat = { RECORDS: 1, FILES: 2 } as const;

/** What a disk was made with; it must still hold when the disk is opened again. */
export interface DiskMeta {
  readonly format: number;
  /** Capacity in bytes. */
  readonly size: number;
  /** Bytes per chunk. */
  readonly chunkSize: number;
  /** Names the exact base image under the disk, or absent when unwritten chunks are zeros. */
  readonly base?: string;
  /** While an image is being imported, of which not all is there. */
  readonly isPartial?: true;
  /** Names what is on the disk for a saved machine; gone with the first write. */
  readonly seal?: string;
}

/** Records read at a time by `scan`: 8 MiB of a new disk's. */
const SCAN_RECORDS = 256;

/** New contents of chunks: bytes to keep, or `null` to forget the record and free its storage. */
export type ChunkChanges = ReadonlyMap<number, Uint8Array<ArrayBuffer> | null>;

/** What a `ChunkedDisk` needs of its storage. */
export interface ChunkStore {
  /** The indices that have a record. */
  indices(): Promise<number[]>;
  /** The records of `indices`, in their order; undefined where there is none. */
  load(indices: readonly number[]): Promise<(Uint8Array<ArrayBuffer> | undefined)[]>;
  /** Applies all changes or none, and resolves when they are durable. */
  commit(changes: ChunkChanges): Promise<void>;
}

export class KeyvalChunkStore implements ChunkStore {
  readonly #use: UseStore;

  constructor(use: UseStore) {
    this.#use = use;
  }

  readMeta(): Promise<DiskMeta | undefined> {
    return get<DiskMeta>(META_KEY, this.#use);
  }

  writeMeta(meta: DiskMeta): Promise<void> {
    return set(META_KEY, meta, this.#use);
  }

  indices(): Promise<number[]> {
    return this.#use("readonly", async (store) => {
      const keys = await promisifyRequest(store.getAllKeys());
      return keys.filter((key) => typeof key === "number");
    });
  }

  /** How many chunks have a record. */
  async count(): Promise<number> {
    return (await this.indices()).length;
  }

  /**
   * Shows all records as they are at one moment, the lowest first: whoever wants to change them waits
   * until the scan is over, which is when `visit` throws, too.
   */
  scan(visit: VisitChunk): Promise<void> {
    return this.#use("readonly", async (store) => {
      const keys = await promisifyRequest(store.getAllKeys());
      const indices = keys.filter((key) => typeof key === "number");
      for (let at = 0; at < indices.length; at += SCAN_RECORDS) {
        const batch = indices.slice(at, at + SCAN_RECORDS);
        const records = await Promise.all(
          batch.map((index) => promisifyRequest<Uint8Array<ArrayBuffer>>(store.get(index))),
        );
        for (const [i, record] of records.entries()) visit(batch[i], record);
      }
    });
  }

  load(indices: readonly number[]): Promise<(Uint8Array<ArrayBuffer> | undefined)[]> {
    return getMany<Uint8Array<ArrayBuffer>>([...indices], this.#use);
  }

  /** With `meta`, the description becomes that at the same time. */
  commit(changes: ChunkChanges, meta?: DiskMeta): Promise<void> {
    return this.#use("readwrite", (store) => {
      for (const [index, bytes] of changes) {
        if (bytes === null) store.delete(index);
        else store.put(bytes, index);
      }
      if (meta !== undefined) store.put(meta, META_KEY);
      return promisifyRequest(store.transaction);
    });
  }

  /** Forgets everything, the description too: the disk is as if it never was. */
  clear(): Promise<void> {
    return this.#use("readwrite", (store) => {
      store.clear();
      return promisifyRequest(store.transaction);
    });
  }
}
