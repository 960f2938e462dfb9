/**
 * Reads the bytes of a request field by field, and notes each as it goes. The bytes are a guest's:
 * they may end anywhere, and then so does what is read, with a note and without harm.
 */
import { hex, hexBytes } from "../hex.ts";
import type { Exchange, Field } from "./field.ts";
import { bytesText, decimal, type Show } from "./names.ts";

/** Entries of a list that are shown: more than anybody reads, and a guest may claim millions. */
const LIST_MAX = 64;
/** Characters of a text that are shown; a field is one line. */
const TEXT_MAX = 256;
/** Bytes shown of what is not decoded: the hex view has all of them. */
const BYTES_SHOWN = 16;

/** The bytes ended before the field; the field says so already. */
class CutOff extends Error {}

export class PayloadReader {
  fields: Field[];
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Offset of the first byte as fields count. */
  readonly #base: number;
  #end: number;

  constructor(bytes: Uint8Array, base: number, fields: Field[]) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#base = base;
    this.#end = bytes.length;
    this.fields = fields;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  u8(name: string, show: Show = decimal): number {
    const at = this.#take(name, 1);
    return this.#number(name, at, 1, this.#view.getUint8(at), show);
  }

  /** Little-endian, as virtio has it; `be16` and `be32` are in network order. */
  u16(name: string, show: Show = decimal): number {
    const at = this.#take(name, 2);
    return this.#number(name, at, 2, this.#view.getUint16(at, true), show);
  }

  u32(name: string, show: Show = decimal): number {
    const at = this.#take(name, 4);
    return this.#number(name, at, 4, this.#view.getUint32(at, true), show);
  }

  i32(name: string, show: Show = decimal): number {
    const at = this.#take(name, 4);
    return this.#number(name, at, 4, this.#view.getInt32(at, true), show);
  }

  be16(name: string, show: Show = decimal): number {
    const at = this.#take(name, 2);
    return this.#number(name, at, 2, this.#view.getUint16(at, false), show);
  }

  be32(name: string, show: Show = decimal): number {
    const at = this.#take(name, 4);
    return this.#number(name, at, 4, this.#view.getUint32(at, false), show);
  }

  u64(name: string, show: (value: bigint) => string = String): bigint {
    const at = this.#take(name, 8);
    const value = this.#view.getBigUint64(at, true);
    this.#add(name, show(value), at, 8);
    return value;
  }

  /** An address: guest physical, or a pattern of bits. */
  hex64(name: string): bigint {
    return this.u64(name, hex);
  }

  /** `length` bytes that `show` makes a value of. */
  bytes(name: string, length: number, show: (bytes: Uint8Array) => string): Uint8Array {
    const at = this.#take(name, length);
    const bytes = this.#bytes.subarray(at, at + length);
    this.#add(name, show(bytes), at, length);
    return bytes;
  }

  /** A text of `length` bytes; what follows a NUL is padding. */
  text(name: string, length: number): string {
    let text = "";
    this.bytes(name, length, (bytes) => {
      const end = bytes.indexOf(0);
      text = decodeText(end < 0 ? bytes : bytes.subarray(0, end));
      return quote(text);
    });
    return text;
  }

  /** A text up to its NUL. */
  string(name: string): string {
    const end = this.#bytes.indexOf(0, this.position);
    if (end >= 0 && end < this.#end) return this.text(name, end + 1 - this.position);
    const text = this.text(name, this.remaining);
    this.note("no NUL at its end");
    throw new CutOff(text);
  }

  /** All that is left, which may be nothing. */
  rest(name: string): number {
    const length = this.remaining;
    if (length > 0) this.bytes(name, length, summarize);
    return length;
  }

  /** What is there of `length` bytes of data, which need not be whole. */
  data(name: string, length: number): void {
    const there = Math.min(length, this.remaining);
    if (there > 0) this.bytes(name, there, summarize);
    if (there < length) this.#cut(name, length - there);
  }

  /** Bytes without meaning. */
  skip(length: number): void {
    this.position += Math.min(length, this.remaining);
  }

  /** A structure: what `read` reads are its children. */
  group(name: string, read: () => string): void {
    const start = this.position;
    const group = {
      name,
      value: "",
      offset: this.#base + start,
      length: 0,
      children: [] as Field[],
    };
    const outer = this.fields;
    outer.push(group);
    this.fields = group.children;
    try {
      group.value = read();
    } finally {
      group.length = this.position - start;
      this.fields = outer;
    }
  }

  /** `count` structures one after the other, or as many as are shown. */
  list(count: number, read: (index: number) => void): void {
    const shown = Math.min(count, LIST_MAX);
    for (let index = 0; index < shown; index++) read(index);
    if (count > shown) this.fields.push({ name: "…", value: `${count - shown} more` });
  }

  /** As `list`, to the end of the bytes. */
  listToEnd(read: (index: number) => void): void {
    let index = 0;
    for (; index < LIST_MAX && this.remaining > 0; index++) {
      const before = this.position;
      read(index);
      if (this.position === before) return;
    }
    this.rest("…");
  }

  /** Nothing is read past the next `length` bytes while `read` runs; afterwards they are behind. */
  within(length: number, read: () => void): void {
    const outer = this.#end;
    const start = this.position;
    const end = Math.min(start + length, outer);
    this.#end = end;
    try {
      catchCutOff(read);
    } finally {
      this.#end = outer;
      this.position = end;
    }
  }

  /** One byte ahead, without reading it; undefined where there is none. */
  peek(ahead: number): number | undefined {
    const at = this.position + ahead;
    return at < this.#end ? this.#bytes[at] : undefined;
  }

  /** Says more about the last field. */
  note(note: string): void {
    const field = this.fields.at(-1);
    if (field !== undefined) field.note = note;
  }

  #take(name: string, length: number): number {
    const at = this.position;
    if (length > this.remaining) {
      this.#cut(name, length - this.remaining);
      throw new CutOff(name);
    }
    this.position += length;
    return at;
  }

  #cut(name: string, missing: number): void {
    const { remaining: length, position } = this;
    const note = `cut off: ${bytesText(missing)} missing`;
    this.fields.push({ name, value: "", note, offset: this.#base + position, length });
  }

  #number(name: string, at: number, length: number, value: number, show: Show): number {
    this.#add(name, show(value), at, length);
    return value;
  }

  #add(name: string, value: string, at: number, length: number): void {
    this.fields.push({ name, value, offset: this.#base + at, length });
  }
}

/** Reads what the driver wrote, as far as it goes. */
export function readRequest(
  { readable }: Exchange,
  fields: Field[],
  read: (reader: PayloadReader) => void,
): void {
  if (readable.length > 0) catchCutOff(() => read(new PayloadReader(readable, 0, fields)));
}

/** Reads what the device wrote, as far as it goes; nothing while the request is in flight. */
export function readAnswer(
  { readable, written }: Exchange,
  fields: Field[],
  read: (reader: PayloadReader) => void,
): void {
  const base = readable.length;
  if (written.length > 0) catchCutOff(() => read(new PayloadReader(written, base, fields)));
}

function catchCutOff(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof CutOff)) throw error;
  }
}

const decoder = new TextDecoder();

function decodeText(bytes: Uint8Array): string {
  // A copy, because decoders refuse memory that is shared.
  return decoder.decode(bytes.slice(0, TEXT_MAX));
}

/** In quotes, with what cannot be seen as escapes. */
function quote(text: string): string {
  return JSON.stringify(text);
}

/** How many bytes, and the first of them. */
export function summarize(bytes: Uint8Array): string {
  const first = hexBytes(bytes.subarray(0, BYTES_SHOWN));
  return `${bytesText(bytes.length)}: ${first}${bytes.length > BYTES_SHOWN ? " …" : ""}`;
}
