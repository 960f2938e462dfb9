/** A chunked disk as the block device wants it: in sectors, with its activity counted. */
import { totalLength } from "../packet/bytes.ts";
import {
  type BlockBackend,
  type BlockTarget,
  SECTOR_SIZE,
} from "../virtio/devices/block-backend.ts";
import type { GuestDisk } from "./guest-disk.ts";
import type { SealedDisk } from "./sealed-disk.ts";

export interface DiskBackendOptions {
  readonly disk: GuestDisk & Partial<Pick<SealedDisk, "seal" | "sealed">>;
  /** Shown to the guest as the serial number. */
  readonly id: string;
  readonly readOnly: boolean;
  /** Told of each transfer, in bytes. */
  readonly onActivity: (bytes: number) => void;
}

export class DiskBackend implements BlockBackend {
  readonly readOnly: boolean;
  readonly id: string;
  readonly seal?: SealedDisk["seal"];
  readonly sealed?: SealedDisk["sealed"];
  readonly #disk: GuestDisk;
  readonly #onActivity: (bytes: number) => void;

  constructor({ disk, id, readOnly, onActivity }: DiskBackendOptions) {
    this.readOnly = readOnly;
    this.id = id;
    this.#disk = disk;
    this.#onActivity = onActivity;
    if (disk.seal) this.seal = () => disk.seal!();
    if (disk.sealed) this.sealed = () => disk.sealed!();
  }

  get sectors(): number {
    return Math.floor(this.#disk.size / SECTOR_SIZE);
  }

  /** Storage is freed by whole chunks. */
  get discardAlignment(): number {
    return this.#disk.chunkSize / SECTOR_SIZE;
  }

  read(sector: number, target: BlockTarget): void | Promise<void> {
    this.#onActivity(target.length);
    return this.#disk.read(sector * SECTOR_SIZE, target);
  }

  write(sector: number, source: readonly Uint8Array[]): void | Promise<void> {
    this.#onActivity(totalLength(source));
    return this.#disk.write(sector * SECTOR_SIZE, source);
  }

  flush(): void | Promise<void> {
    return this.#disk.flush();
  }

  discard(sector: number, count: number): void | Promise<void> {
    return this.#disk.discard(sector * SECTOR_SIZE, count * SECTOR_SIZE);
  }

  writeZeroes(sector: number, count: number): void | Promise<void> {
    return this.#disk.writeZeroes(sector * SECTOR_SIZE, count * SECTOR_SIZE);
  }
}
