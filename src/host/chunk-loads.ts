/** Reads from the store of a disk, several of them in one transaction. */
import type { ChunkStore } from "./chunk-store.ts";

/**
 * Chunks that are gathered for a transaction while the store is busy: at eight its own cost hardly shows,
 * and more would keep the store waiting for the end of a guest's slice.
 */
const LOADS_GATHERED = 8;

type StoredRecords = Awaited<ReturnType<ChunkStore["load"]>>;

/** Chunks that are loaded in one transaction. */
interface LoadBatch {
  readonly indices: number[];
  readonly records: Promise<StoredRecords>;
  readonly begin: () => void;
}

export class ChunkLoads {
  readonly #store: ChunkStore;
  /** What the store is about to be asked for. */
  #wanted: LoadBatch | undefined;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  get areGathered(): boolean {
    return (this.#wanted?.indices.length ?? 0) >= LOADS_GATHERED;
  }

  /** A chunk's record. What is asked for in one go, as a guest's requests often are, is gathered. */
  async load(index: number): Promise<StoredRecords[number]> {
    this.#wanted ??= this.#newBatch();
    const { indices, records } = this.#wanted;
    const at = indices.push(index) - 1;
    return (await records)[at];
  }

  /** Asks the store now, and not when whatever is done at present is over. */
  begin(): void {
    this.#wanted?.begin();
    this.#wanted = undefined;
  }

  #newBatch(): LoadBatch {
    const indices: number[] = [];
    let begin = () => {};
    const records = new Promise<StoredRecords>((resolve) => {
      begin = () => resolve(this.#store.load(indices));
    });
    queueMicrotask(() => this.begin());
    return { indices, records, begin };
  }
}
