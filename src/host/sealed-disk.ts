/**
 * A disk with its description, in which a seal names what is on the disk for a saved machine. The first
 * change waits until the seal is durably gone: whatever keeps the bytes may store them at once.
 */
import { joined } from "../packet/bytes.ts";
import type { ReadTarget } from "./chunk-bytes.ts";
import type { DiskMeta, KeyvalChunkStore } from "./chunk-store.ts";
import { fillRandom } from "./entropy.ts";
import type { GuestDisk, VisitChunk } from "./guest-disk.ts";

/** Bytes of a seal: nobody else gets the same one. */
const SEAL_BYTES = 16;

export class SealedDisk implements GuestDisk {
  readonly scan?: (visit: VisitChunk) => Promise<void>;
  /** What keeps the bytes. */
  readonly stored: GuestDisk;
  readonly #chunks: KeyvalChunkStore;
  #meta: DiskMeta;
  #breaking: Promise<void> | undefined;

  constructor(disk: GuestDisk, chunks: KeyvalChunkStore, meta: DiskMeta) {
    this.stored = disk;
    this.#chunks = chunks;
    this.#meta = meta;
    if (disk.scan) this.scan = (visit) => disk.scan!(visit);
  }

  get size(): number {
    return this.stored.size;
  }

  get chunkSize(): number {
    return this.stored.chunkSize;
  }

  get dirtyBytes(): number {
    return this.stored.dirtyBytes;
  }

  get storedBytes(): number {
    return this.stored.storedBytes;
  }

  /** See `BlockBackend`; the same name as long as nothing was changed. */
  async seal(): Promise<string> {
    await this.stored.flush();
    if (this.#meta.seal === undefined) {
      const bytes = new Uint8Array(SEAL_BYTES);
      fillRandom(bytes);
      const seal = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      await this.#describe({ ...this.#meta, seal });
    }
    return this.#meta.seal!;
  }

  async sealed(): Promise<string | undefined> {
    return this.#meta.seal;
  }

  /** As `grow`, for good. */
  async resize(size: number): Promise<void> {
    await this.#describe({ ...withoutSeal(this.#meta), size });
    this.stored.grow(size);
  }

  grow(size: number): void {
    this.stored.grow(size);
  }

  read(offset: number, target: ReadTarget): void | Promise<void> {
    return this.stored.read(offset, target);
  }

  write(offset: number, source: readonly Uint8Array[]): void | Promise<void> {
    if (this.#meta.seal === undefined) return this.stored.write(offset, source);
    const kept = [joined(source)];
    return this.#break(() => this.stored.write(offset, kept));
  }

  writeZeroes(offset: number, length: number): void | Promise<void> {
    if (this.#meta.seal === undefined) return this.stored.writeZeroes(offset, length);
    return this.#break(() => this.stored.writeZeroes(offset, length));
  }

  discard(offset: number, length: number): void | Promise<void> {
    if (this.#meta.seal === undefined) return this.stored.discard(offset, length);
    return this.#break(() => this.stored.discard(offset, length));
  }

  flush(): void | Promise<void> {
    return this.stored.flush();
  }

  close(): Promise<void> {
    return this.stored.close();
  }

  /** Does what changes the disk once it has no seal; that is not done if the seal cannot be broken. */
  async #break(change: () => void | Promise<void>): Promise<void> {
    this.#breaking ??= this.#describe(withoutSeal(this.#meta)).finally(() => {
      this.#breaking = undefined;
    });
    await this.#breaking;
    await change();
  }

  async #describe(meta: DiskMeta): Promise<void> {
    await this.#chunks.writeMeta(meta);
    this.#meta = meta;
  }
}

function withoutSeal({ seal: _, ...meta }: DiskMeta): DiskMeta {
  return meta;
}
