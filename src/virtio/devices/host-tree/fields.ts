/** Reads and writes the fields of messages, little-endian. */
import { HostError } from "./errno.ts";

const WORD = 0x1_0000_0000;

/** Fields in their order; one that is not there is EINVAL. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** From 2^53 on the value is inexact, but never becomes small. */
  u64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * WORD;
  }

  i64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at, true) + this.#view.getInt32(at + 4, true) * WORD;
  }

  skip(length: number): void {
    this.#advance(length);
  }

  /** Views, valid until the next request. */
  bytes(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Up to the NUL, which has to be there. */
  string(): Uint8Array {
    const end = this.#bytes.indexOf(0, this.#position);
    if (end < 0) throw new HostError("EINVAL");
    const text = this.#bytes.subarray(this.#position, end);
    this.#position = end + 1;
    return text;
  }

  #advance(length: number): number {
    const at = this.#position;
    if (at + length > this.#bytes.length) throw new HostError("EINVAL");
    this.#position = at + length;
    return at;
  }
}

/** Fields one after the other, zero where nothing was written. */
export class FieldWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  position = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.position, value);
    return this.skip(1);
  }

  u16(value: number): this {
    this.#view.setUint16(this.position, value, true);
    return this.skip(2);
  }

  u32(value: number): this {
    this.#view.setUint32(this.position, value, true);
    return this.skip(4);
  }

  /** Negative values too, as 64 bits in two's complement. */
  u64(value: number): this {
    this.#view.setUint32(this.position, value, true);
    this.#view.setInt32(this.position + 4, Math.floor(value / WORD), true);
    return this.skip(8);
  }

  raw(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.position);
    return this.skip(bytes.length);
  }

  skip(length: number): this {
    this.position += length;
    return this;
  }
}
