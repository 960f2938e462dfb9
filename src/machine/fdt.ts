/**
 * Writes flattened device trees (Devicetree Specification v0.4, chapter 5), version 17.
 *
 * The blocks come in the standard order, reservations, structure, strings, and the blob ends with
 * free space: firmware edits the tree in place, to reserve its own memory for example.
 */
import type { Properties, PropertyValue } from "../platform/device-node.ts";

export interface TreeNode {
  /** With the unit address, if the node has one; empty for the root. */
  readonly name: string;
  readonly properties: Properties;
  readonly children?: readonly TreeNode[];
}

const MAGIC = 0xd00d_feed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;
/** One all-zero entry of two 64-bit numbers ends the list of memory reservations. */
const RESERVATION_BYTES = 16;

const Token = { beginNode: 1, endNode: 2, property: 3, end: 9 } as const;

/**
 * Free bytes after the strings: OpenSBI adds reserved-memory nodes and domain properties, some
 * hundred bytes; a page leaves room for other firmware.
 */
export const FDT_ROOM_BYTES = 4096;

/** Cells of a 64-bit number, most significant first. */
export function cells64(value: number): [number, number] {
  return [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000];
}

export function writeFdt(root: TreeNode, bootHart: number): Uint8Array {
  const structure = new ByteWriter();
  const strings = new StringTable();
  writeNode(root, structure, strings);
  structure.u32(Token.end);

  const structureAt = HEADER_BYTES + RESERVATION_BYTES;
  const stringsAt = structureAt + structure.length;
  const total = align(stringsAt + strings.bytes.length + FDT_ROOM_BYTES, 8);
  const header = new ByteWriter();
  for (const word of [
    MAGIC,
    total,
    structureAt,
    stringsAt,
    HEADER_BYTES,
    VERSION,
    LAST_COMPATIBLE_VERSION,
    bootHart,
    strings.bytes.length,
    structure.length,
  ]) {
    header.u32(word);
  }
  const blob = new Uint8Array(total);
  blob.set(header.take(), 0);
  blob.set(structure.take(), structureAt);
  blob.set(strings.bytes.take(), stringsAt);
  return blob;
}

function writeNode(node: TreeNode, out: ByteWriter, strings: StringTable): void {
  out.u32(Token.beginNode);
  out.text(node.name);
  out.pad();
  for (const [name, value] of Object.entries(node.properties)) {
    const bytes = encode(value);
    out.u32(Token.property);
    out.u32(bytes.length);
    out.u32(strings.offsetOf(name));
    out.raw(bytes);
    out.pad();
  }
  for (const child of node.children ?? []) writeNode(child, out, strings);
  out.u32(Token.endNode);
}

function encode(value: PropertyValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const out = new ByteWriter();
  if (typeof value === "string") {
    out.text(value);
  } else if (value !== true) {
    for (const item of value) {
      if (typeof item === "string") out.text(item);
      else out.u32(item);
    }
  }
  return out.take();
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Property names, each stored once. */
class StringTable {
  readonly bytes = new ByteWriter();
  readonly #offsets = new Map<string, number>();

  offsetOf(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.bytes.length;
    this.bytes.text(name);
    this.#offsets.set(name, offset);
    return offset;
  }
}

class ByteWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u32(value: number): void {
    this.raw(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
  }

  /** UTF-8 with a final NUL. */
  text(value: string): void {
    this.raw(new TextEncoder().encode(`${value}\0`));
  }

  raw(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = end;
  }

  /** Fills up with zeros to a multiple of 4, where every token starts. */
  pad(): void {
    this.raw(new Uint8Array(align(this.#length, 4) - this.#length));
  }

  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
