/** The last so many bytes of what was copied into it; what is older is overwritten. */
export class ByteRing {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  /** Where the next copy goes, counted from the beginning of time. */
  #end = 0;

  /** @param capacity in bytes. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Makes room for `length` bytes, which `view` finds by what is returned. */
  reserve(length: number): number {
    const capacity = this.#bytes.length;
    if (length > capacity) throw new RangeError(`${length} bytes do not fit into ${capacity}`);
    const start = this.#end % capacity;
    // A copy is in one piece; the end of the ring stays empty where it does not fit.
    const at = start + length > capacity ? this.#end + capacity - start : this.#end;
    this.#end = at + length;
    return at;
  }

  /** What is there, to be filled or read, or undefined if it has been overwritten. */
  view(at: number, length: number): Uint8Array<ArrayBuffer> | undefined {
    const capacity = this.#bytes.length;
    if (at + capacity < this.#end) return undefined;
    const from = at % capacity;
    return this.#bytes.subarray(from, from + length);
  }
}
