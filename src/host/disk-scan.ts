/** Shows a disk as it is at one moment while a guest goes on to write to it. */
import type { VisitChunk } from "./guest-disk.ts";

/** Chunks that are shown before the machine goes on. */
const CHUNKS_AT_ONCE = 256;

export class DiskScan {
  /** Chunks that were shown, or that had nothing to show when somebody wrote to them first. */
  readonly #seen = new Set<number>();
  readonly #visit: VisitChunk;
  readonly #read: (chunk: number) => Uint8Array<ArrayBuffer> | undefined;
  #failure: { readonly reason: unknown } | undefined;

  /** `read` gives a chunk's bytes, or undefined if it has none of its own. */
  constructor(visit: VisitChunk, read: (chunk: number) => Uint8Array<ArrayBuffer> | undefined) {
    this.#visit = visit;
    this.#read = read;
  }

  /** Shows a chunk that is about to change, or whose turn has come. */
  show(chunk: number): void {
    if (this.#seen.has(chunk)) return;
    this.#seen.add(chunk);
    try {
      const bytes = this.#read(chunk);
      if (bytes !== undefined) this.#visit(chunk, bytes);
    } catch (reason) {
      // Whoever writes to the disk has nothing to do with it.
      this.#failure ??= { reason };
    }
  }

  /** Shows all chunks below `end`, in parts. Rejects with the first error of showing one. */
  async run(end: () => number): Promise<void> {
    for (let chunk = 0; chunk < end(); chunk++) {
      this.show(chunk);
      if (this.#failure !== undefined) throw this.#failure.reason;
      if (chunk % CHUNKS_AT_ONCE !== CHUNKS_AT_ONCE - 1) continue;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}
