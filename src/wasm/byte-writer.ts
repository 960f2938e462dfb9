/** A growable byte buffer with the variable-length integers of the WebAssembly binary format. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned LEB128 of an integer below 2^32. */
  u32(value: number): void {
    this.#reserve(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Signed LEB128 of a 32-bit integer. */
  s32(value: number): void {
    this.#reserve(5);
    let rest = value | 0;
    for (;;) {
      const byte = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
        this.#bytes[this.#length++] = byte;
        return;
      }
      this.#bytes[this.#length++] = byte | 0x80;
    }
  }

  /** Signed LEB128 of a 64-bit integer. Small values, the common case, avoid BigInt. */
  s64(value: number | bigint): void {
    if (typeof value === "number" && value === (value | 0)) {
      this.s32(value);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asIntN(64, BigInt(value));
    for (;;) {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) {
        this.#bytes[this.#length++] = byte;
        return;
      }
      this.#bytes[this.#length++] = byte | 0x80;
    }
  }

  f32(value: number): void {
    this.bytes(new Uint8Array(new Float32Array([value]).buffer));
  }

  f64(value: number): void {
    this.bytes(new Uint8Array(new Float64Array([value]).buffer));
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** A name: its length in bytes and its UTF-8. */
  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  /** Another writer's bytes, preceded by their number. */
  sized(inner: ByteWriter): void {
    this.u32(inner.length);
    this.bytes(inner.view());
  }

  /** What has been written, without a copy: valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
