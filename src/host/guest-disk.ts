/** What a guest's disk can do, whatever keeps its bytes. */
import type { ReadTarget } from "./chunk-bytes.ts";

/** The read-only image under a disk, from which chunks that were never written come. */
export interface BaseImage {
  /** Length in bytes; the disk reads zeros past it. */
  readonly size: number;
  /** Changes when the image's contents change. */
  readonly identity: string;
  /** `length` bytes at `offset`, all inside the image. Rejects if they cannot be had. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** What could not be done: storing is tried again, reading when the guest does. */
export type DiskFault = "read" | "store";

/** Is shown the bytes of a chunk, from its beginning: what is missing is zeros. */
export type VisitChunk = (index: number, bytes: Uint8Array<ArrayBuffer>) => void;

/**
 * A sparse disk of chunks over a base image. Offsets and lengths are in bytes; a range that is not wholly
 * on the disk is a RangeError. What is done at once gives no promise.
 */
export interface GuestDisk {
  /** Capacity in bytes. */
  readonly size: number;
  /** Bytes per chunk: storage is freed by whole ones. */
  readonly chunkSize: number;
  /** Bytes written that a crash of the tab or of the machine can cost. */
  readonly dirtyBytes: number;
  /** Bytes of storage that the disk takes, about. */
  readonly storedBytes: number;
  /**
   * Makes the disk larger: what is new reads as zeros, or as the base if that reaches so far.
   * @throws RangeError for anything but a larger size.
   */
  grow(size: number): void;
  /** Fills `target` from `offset`. Rejects if it cannot be had. */
  read(offset: number, target: ReadTarget): void | Promise<void>;
  /**
   * Takes the bytes of `source`, one part after the other, at `offset`. `source` is not used after the
   * call. Rejects when the storage is full or failing.
   */
  write(offset: number, source: readonly Uint8Array[]): void | Promise<void>;
  /** Makes a range read as zeros, and frees the storage of every chunk wholly inside it. */
  writeZeroes(offset: number, length: number): void | Promise<void>;
  /** The guest no longer needs a range: whole chunks inside it are freed, the rest is kept. */
  discard(offset: number, length: number): void | Promise<void>;
  /** Resolves when every write that completed before the call is durable. Rejects if one is not. */
  flush(): void | Promise<void>;
  /**
   * Shows all chunks that have something of their own, as they are at one moment, while the guest goes
   * on. What `visit` throws ends it. Absent where the storage itself can show them.
   */
  scan?(visit: VisitChunk): Promise<void>;
  /** Stores what is left and lets the storage go. Rejects if something could not be stored. */
  close(): Promise<void>;
}
