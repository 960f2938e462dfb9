/** Bytes that wait to be sent or acknowledged: a ring that grows by doubling. */

/** Small enough for many quiet connections, and one read from a host socket fits. */
const INITIAL_CAPACITY = 64 * 1024;

const EMPTY = new Uint8Array(0);

export class SendBuffer {
  #ring: Uint8Array = EMPTY;
  #start = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    this.#reserve(this.#length + bytes.length);
    const at = (this.#start + this.#length) % this.#ring.length;
    const first = Math.min(bytes.length, this.#ring.length - at);
    this.#ring.set(first === bytes.length ? bytes : bytes.subarray(0, first), at);
    if (first < bytes.length) this.#ring.set(bytes.subarray(first), 0);
    this.#length += bytes.length;
  }

  /** Forgets the first `count` bytes, which must be there. */
  consume(count: number): void {
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) % this.#ring.length;
  }

  /** Copies `count` bytes from `offset` on, which must be there, to `target` at `at`. */
  copy(offset: number, count: number, target: Uint8Array, at: number): void {
    const from = (this.#start + offset) % this.#ring.length;
    const first = Math.min(count, this.#ring.length - from);
    target.set(this.#ring.subarray(from, from + first), at);
    if (first < count) target.set(this.#ring.subarray(0, count - first), at + first);
  }

  /** Gives the memory back when there is nothing to keep. */
  trim(): void {
    if (this.#length === 0) this.#ring = EMPTY;
  }

  #reserve(needed: number): void {
    if (needed <= this.#ring.length) return;
    let capacity = Math.max(INITIAL_CAPACITY, this.#ring.length);
    while (capacity < needed) capacity *= 2;
    const ring = new Uint8Array(capacity);
    if (this.#length > 0) this.copy(0, this.#length, ring, 0);
    this.#ring = ring;
    this.#start = 0;
  }
}
