/** A chunked disk as the block device wants it: in sectors, with its activity counted. */
import { totalLength } from "../packet/bytes.ts";
import {
  type BlockBackend,
  type BlockTarget,
  SECTOR_SIZE,
} from "../virtio/devices/block-backend.ts";
import type { ChunkedDisk } from "./chunked-disk.ts";
import type { IndexedDbDisk } from "./indexeddb-disk.ts";

export interface DiskBackendOptions {
  readonly storage: Pick<IndexedDbDisk, "disk" | "seal" | "sealed">;
  /** Shown to the guest as the serial number. */
  readonly id: string;
  readonly readOnly: boolean;
  /** Told of each transfer, in bytes. */
  readonly onActivity: (bytes: number) => void;
}

export class DiskBackend implements BlockBackend {
  readonly readOnly: boolean;
  readonly id: string;
  readonly #disk: ChunkedDisk;
  readonly #storage: DiskBackendOptions["storage"];
  readonly #onActivity: (bytes: number) => void;

  constructor({ storage, id, readOnly, onActivity }: DiskBackendOptions) {
    this.readOnly = readOnly;
    this.id = id;
    this.#disk = storage.disk;
    this.#storage = storage;
    this.#onActivity = onActivity;
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

  flush(): Promise<void> {
    return this.#disk.flush();
  }

  seal(): Promise<string> {
    return this.#storage.seal();
  }

  sealed(): Promise<string | undefined> {
    return this.#storage.sealed();
  }

  discard(sector: number, count: number): Promise<void> {
    return this.#disk.discard(sector * SECTOR_SIZE, count * SECTOR_SIZE);
  }

  writeZeroes(sector: number, count: number): Promise<void> {
    return this.#disk.writeZeroes(sector * SECTOR_SIZE, count * SECTOR_SIZE);
  }
}
