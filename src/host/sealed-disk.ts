/**
 * A disk with its description, in which a seal names what is on the disk for a saved machine. The first
 * change waits until the seal is durably gone: whatever keeps the bytes may store them at once.
 */
import { hexOf, joined } from "../packet/bytes.ts";
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
  /** The last change of the description; each begins with what the one before has left. */
  #describing: Promise<void> = Promise.resolve();

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
      const seal = hexOf(bytes);
      await this.#describe((meta) => ({ ...meta, seal }));
    }
    return this.#meta.seal!;
  }

  async sealed(): Promise<string | undefined> {
    return this.#meta.seal;
  }

  /** As `grow`, for good. */
  async resize(size: number): Promise<void> {
    await this.#describe((meta) => ({ ...withoutSeal(meta), size }));
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
    await this.#describe(withoutSeal);
    await change();
  }

  #describe(change: (meta: DiskMeta) => DiskMeta): Promise<void> {
    const describing = this.#describing.then(async () => {
      const meta = change(this.#meta);
      if (meta === this.#meta) return;
      await this.#chunks.writeMeta(meta);
      this.#meta = meta;
    });
    this.#describing = describing.catch(() => {});
    return describing;
  }
}

/** The same if it has none. */
function withoutSeal(sealed: DiskMeta): DiskMeta {
  const { seal, ...meta } = sealed;
  return seal === undefined ? sealed : meta;
}
