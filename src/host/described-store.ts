/** The chunks of a disk with its description, in which a seal lasts until the first write. */
import type { ChunkChanges, ChunkStore, DiskMeta, KeyvalChunkStore } from "./chunk-store.ts";
import { fillRandom } from "./entropy.ts";

/** Bytes of a seal: nobody else gets the same one. */
const SEAL_BYTES = 16;

export class DescribedStore implements ChunkStore {
  readonly #chunks: KeyvalChunkStore;
  #meta: DiskMeta;

  constructor(chunks: KeyvalChunkStore, meta: DiskMeta) {
    this.#chunks = chunks;
    this.#meta = meta;
  }

  get meta(): DiskMeta {
    return this.#meta;
  }

  indices(): Promise<number[]> {
    return this.#chunks.indices();
  }

  load(indices: readonly number[]): Promise<(Uint8Array<ArrayBuffer> | undefined)[]> {
    return this.#chunks.load(indices);
  }

  /** The seal is broken by the same transaction that changes the chunks. */
  async commit(changes: ChunkChanges): Promise<void> {
    if (this.#meta.seal === undefined) return this.#chunks.commit(changes);
    const unsealed = withoutSeal(this.#meta);
    await this.#chunks.commit(changes, unsealed);
    this.#meta = unsealed;
  }

  /** The capacity in bytes, which breaks the seal too. */
  async resize(size: number): Promise<void> {
    await this.#describe({ ...withoutSeal(this.#meta), size });
  }

  /** Names what is stored now; the same name as long as nothing was changed. */
  async seal(): Promise<string> {
    if (this.#meta.seal === undefined) {
      const bytes = new Uint8Array(SEAL_BYTES);
      fillRandom(bytes);
      const seal = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      await this.#describe({ ...this.#meta, seal });
    }
    return this.#meta.seal!;
  }

  async #describe(meta: DiskMeta): Promise<void> {
    await this.#chunks.writeMeta(meta);
    this.#meta = meta;
  }
}

function withoutSeal({ seal: _, ...meta }: DiskMeta): DiskMeta {
  return meta;
}
