/** A set of 4 KiB pages by their numbers, as bitmaps of 4 KiB for each 128 MiB that have a member. */

const CHUNK_PAGES = 1 << 15;

export class PageSet {
  readonly #chunks = new Map<number, Uint32Array>();
  #size = 0;

  /** Pages in the set. */
  get size(): number {
    return this.#size;
  }

  /** False if it was there already. */
  add(page: number): boolean {
    const index = Math.floor(page / CHUNK_PAGES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK_PAGES / 32);
      this.#chunks.set(index, chunk);
    }
    const [word, bit] = place(page);
    if ((chunk[word] & bit) !== 0) return false;
    chunk[word] |= bit;
    this.#size++;
    return true;
  }

  /** False if it was not there. */
  delete(page: number): boolean {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    const [word, bit] = place(page);
    if (chunk === undefined || (chunk[word] & bit) === 0) return false;
    chunk[word] &= ~bit;
    this.#size--;
    return true;
  }

  clear(): void {
    this.#chunks.clear();
    this.#size = 0;
  }

  /** The members, lowest first. */
  values(): number[] {
    const pages: number[] = [];
    for (const [index, chunk] of [...this.#chunks].sort(([a], [b]) => a - b)) {
      for (let page = 0; page < CHUNK_PAGES; page++) {
        const [word, bit] = place(page);
        if ((chunk[word] & bit) !== 0) pages.push(index * CHUNK_PAGES + page);
      }
    }
    return pages;
  }
}

function place(page: number): [word: number, bit: number] {
  const within = page % CHUNK_PAGES;
  return [within >>> 5, 1 << (within & 31)];
}
