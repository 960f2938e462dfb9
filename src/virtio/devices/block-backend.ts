/** What the block device needs of a disk. */

export const SECTOR_SIZE = 512;

/** Why a device over a disk without `seal` cannot be saved. */
export const NO_SEAL = "has a disk that cannot tell whether it was changed";

/** Where a read puts its data: the guest's buffers, for as long as the request lives. */
export interface BlockTarget {
  /** In bytes; of a disk's, a multiple of the sector size. */
  readonly length: number;
  /** False once the guest has given up the request; then nothing is written any more. */
  readonly alive: boolean;
  write(offset: number, bytes: Uint8Array): void;
  zero(offset: number, length: number): void;
}

/**
 * A disk. Sectors have 512 bytes, and the device has checked every range. A method that throws or
 * rejects fails the request with an I/O error and nothing else.
 */
export interface BlockBackend {
  readonly sectors: number;
  readonly readOnly: boolean;
  /** Serial number, ASCII; 20 characters are shown to the guest. */
  readonly id: string;
  /** Discards free nothing unless aligned to so many sectors, a power of two. Absent: as a block. */
  readonly discardAlignment?: number;
  /** Fills all of `target`, now or before the promise resolves. */
  read(sector: number, target: BlockTarget): void | Promise<void>;
  /** `source` is guest memory, valid during the call only: what is needed later is copied first. */
  write(sector: number, source: readonly Uint8Array[]): void | Promise<void>;
  /** Resolves when every write that was complete before the call is durable. */
  flush(): void | Promise<void>;
  /**
   * Makes everything durable and names what is on the disk then: `sealed` gives the same name, in another
   * run too, until the first write after that. Absent from a disk that cannot tell; saving a machine with
   * one is refused.
   */
  seal?(): Promise<string>;
  /** Absent if `seal` is. */
  sealed?(): Promise<string | undefined>;
  /** The guest needs the sectors no more. Absent: not offered. */
  discard?(sector: number, count: number): void | Promise<void>;
  /** The sectors read as zeros from now on. Absent: not offered. */
  writeZeroes?(sector: number, count: number, mayUnmap: boolean): void | Promise<void>;
  /** As `discard`, and nobody can get the contents back from where they were. Absent: not offered. */
  secureErase?(sector: number, count: number): void | Promise<void>;
  /** How worn the storage is. Absent: not offered. */
  lifetime?(): BlockLifetime;
}

/** Wear in the terms of the answer to GET_LIFETIME (virtio 5.2.6); 0 always means "not known". */
export interface BlockLifetime {
  /** Reserved blocks used up: 1 less than 80%, 2 from 80%, 3 from 90% or all. */
  readonly preEol: number;
  /** Estimated wear of the two kinds of cells in steps of 10%: 1 to 10, and 11 when exceeded. */
  readonly wearA: number;
  readonly wearB: number;
}
