/** A bounded queue of bytes in a ring. */
export class ByteQueue {
  readonly capacity: number;
  readonly #ring: Uint8Array<ArrayBuffer>;
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#ring = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get free(): number {
    return this.capacity - this.#length;
  }

  /** Appends what fits and returns how much that was. */
  put(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.free);
    const end = (this.#start + this.#length) % this.capacity;
    const first = Math.min(count, this.capacity - end);
    this.#ring.set(bytes.subarray(0, first), end);
    this.#ring.set(bytes.subarray(first, count), 0);
    this.#length += count;
    return count;
  }

  /** The oldest bytes that lie in one piece, at most `limit`; they stay until `drop`. */
  front(limit: number): Uint8Array<ArrayBuffer> {
    const count = Math.min(this.#length, limit, this.capacity - this.#start);
    return this.#ring.subarray(this.#start, this.#start + count);
  }

  drop(count: number): void {
    const dropped = Math.min(count, this.#length);
    this.#start = (this.#start + dropped) % this.capacity;
    this.#length -= dropped;
  }

  /** A copy of everything, oldest first. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    const first = this.front(this.#length);
    bytes.set(first);
    bytes.set(this.#ring.subarray(0, this.#length - first.length), first.length);
    return bytes;
  }

  clear(): void {
    this.#length = 0;
  }
}
