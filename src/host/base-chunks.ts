/** The chunks of a base image that are in memory. */
import type { BaseImage } from "./guest-disk.ts";

export class BaseChunks {
  readonly #base: BaseImage | undefined;
  readonly #chunkSize: number;
  readonly #most: number;
  /** In order of use, the longest unused first. */
  readonly #chunks = new Map<number, Uint8Array>();
  readonly #loads = new Map<number, Promise<Uint8Array>>();

  /** Without an image there are none. At most `maxBytes` are kept. */
  constructor(base: BaseImage | undefined, chunkSize: number, maxBytes: number) {
    this.#base = base;
    this.#chunkSize = chunkSize;
    this.#most = Math.ceil(maxBytes / chunkSize);
  }

  /** Length of the image in bytes. */
  get size(): number {
    return this.#base?.size ?? 0;
  }

  /** Whether the image reaches into a chunk. */
  covers(chunk: number): boolean {
    return chunk * this.#chunkSize < this.size;
  }

  /** The bytes of a chunk, or fewer where the image ends; undefined if they are not in memory. */
  resident(chunk: number): Uint8Array | undefined {
    const bytes = this.#chunks.get(chunk);
    if (bytes === undefined) return undefined;
    this.#chunks.delete(chunk);
    this.#chunks.set(chunk, bytes);
    return bytes;
  }

  /** Brings a chunk that the image covers into memory. Rejects if it cannot be had. */
  load(chunk: number): Promise<Uint8Array> {
    const known = this.#loads.get(chunk);
    if (known !== undefined) return known;
    const load = this.#read(chunk).finally(() => this.#loads.delete(chunk));
    this.#loads.set(chunk, load);
    return load;
  }

  async #read(chunk: number): Promise<Uint8Array> {
    const base = this.#base!;
    const start = chunk * this.#chunkSize;
    const bytes = await base.read(start, Math.min(base.size - start, this.#chunkSize));
    this.#chunks.set(chunk, bytes);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= this.#most) break;
      this.#chunks.delete(oldest);
    }
    return bytes;
  }
}
