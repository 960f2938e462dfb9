/** The last so many bytes of what was copied into it; what is older is overwritten. */

/** Up to so many bytes are copied faster one by one than through a view of them. */
const FEW_BYTES = 64;

export class ByteRing {
  readonly data: DataView;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** How much has ever been put there, and what was left empty; and where the next copy goes if it fits. */
  #end = 0;
  #next = 0;

  /** @param capacity in bytes. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.data = new DataView(this.#bytes.buffer);
  }

  /** Copies the first `length` bytes of what `parts` hold together; `view` finds them by what is returned. */
  put(parts: readonly Uint8Array[], length: number): number {
    const capacity = this.#bytes.length;
    if (length > capacity) throw new RangeError(`${length} bytes do not fit into ${capacity}`);
    // A copy is in one piece; the end of the ring stays empty where it does not fit.
    if (this.#next + length > capacity) {
      this.#end += capacity - this.#next;
      this.#next = 0;
    }
    let left = length;
    for (let i = 0; left > 0; i++) {
      const count = Math.min(parts[i].length, left);
      this.#copy(parts[i], count, this.#next);
      this.#next += count;
      left -= count;
    }
    this.#end += length;
    return this.#end - length;
  }

  /** Where in `data` the next copy goes if it fits: one beyond the last. */
  get next(): number {
    return this.#next;
  }

  /** What is there, or undefined if it has been overwritten. */
  view(at: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const capacity = this.#bytes.length;
    if (at + capacity < this.#end) return undefined;
    const from = at % capacity;
    return this.#bytes.subarray(from, from + length);
  }

  #copy(part: Uint8Array, count: number, to: number): void {
    if (count > FEW_BYTES) {
      this.#bytes.set(count === part.length ? part : part.subarray(0, count), to);
      return;
    }
    const bytes = this.#bytes;
    for (let i = 0; i < count; i++) bytes[to + i] = part[i];
  }
}
