/** A bounded queue of bytes between a host that has them and a guest that asks for them. */
export class ByteQueue {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param limit bytes that may wait. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies as many of the bytes as there is room for, from the first; returns how many. */
  put(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.#limit - this.#length);
    if (taken > 0) {
      this.#chunks.push(bytes.slice(0, taken));
      this.#length += taken;
    }
    return taken;
  }

  /** Up to `maximum` bytes, oldest first. */
  take(maximum: number): Uint8Array {
    const result = new Uint8Array(Math.min(maximum, this.#length));
    let filled = 0;
    while (filled < result.length) {
      const chunk = this.#chunks[0];
      const part = chunk.subarray(0, result.length - filled);
      result.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#length -= filled;
    return result;
  }

  /** A copy of everything, oldest first. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }
}
