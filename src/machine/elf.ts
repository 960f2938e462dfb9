/**
 * Reads executable ELF files for 64-bit RISC-V (System V ABI, chapters 4 and 5; RISC-V psABI,
 * chapter 8). Every offset comes from the file and is checked against its length.
 */
import { LoadError } from "./load-error.ts";

interface ElfSegment {
  /** Physical address. */
  readonly address: number;
  /** Virtual address, which the entry point and symbols are given in. */
  readonly virtual: bigint;
  readonly data: Uint8Array;
  /** Length in memory; what is past `data` is zero. */
  readonly size: number;
}

export interface ElfFile {
  /** Physical address of the first instruction. */
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  /** Physical address of a symbol, or undefined. */
  symbol(name: string): number | undefined;
}

const MAGIC = 0x7f45_4c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const MACHINE_RISCV = 243;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
/** Symbol types up to this one are labels, objects and functions. */
const STT_FUNC = 2;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;

export function isElf(file: Uint8Array): boolean {
  return file.length >= HEADER_BYTES && view(file).getUint32(0) === MAGIC;
}

/** @throws LoadError if the file is damaged or for another machine. */
export function parseElf(file: Uint8Array): ElfFile {
  const data = checkedView(file);
  const segments = readSegments(file, data);
  if (segments.length === 0) {
    throw new LoadError(
      "The ELF file has nothing to load.",
      "Link it into an executable: object files cannot be booted.",
    );
  }
  return {
    entry: physical(segments, data.getBigUint64(24, true)),
    segments,
    symbol: (name) => {
      const value = findSymbol(file, data, name);
      return value === undefined ? undefined : physical(segments, value);
    },
  };
}

function checkedView(file: Uint8Array): DataView {
  const data = view(file);
  const isRiscv = isElf(file) && file[4] === CLASS_64 && file[5] === LITTLE_ENDIAN;
  if (isRiscv && u16(data, 18) === MACHINE_RISCV) return data;
  throw new LoadError(
    "The ELF file is not for 64-bit RISC-V.",
    "Build it for riscv64 (a riscv64-…-gcc cross compiler), or give a Linux Image.",
  );
}

function readSegments(file: Uint8Array, data: DataView): ElfSegment[] {
  const segments: ElfSegment[] = [];
  for (const at of headers(data, u64(data, 32), u16(data, 54), u16(data, 56))) {
    if (!inside(file, at, PROGRAM_HEADER_BYTES)) throw damaged();
    const fileBytes = u64(data, at + 32);
    const size = u64(data, at + 40);
    if (data.getUint32(at, true) !== PT_LOAD || size === 0) continue;
    const offset = u64(data, at + 8);
    if (!inside(file, offset, fileBytes) || fileBytes > size) throw damaged();
    segments.push({
      address: u64(data, at + 24),
      virtual: data.getBigUint64(at + 16, true),
      data: file.subarray(offset, offset + fileBytes),
      size,
    });
  }
  return segments;
}

function findSymbol(file: Uint8Array, data: DataView, name: string): bigint | undefined {
  for (const { entry, nameAt } of symbolEntries(file, data)) {
    if (nameIs(file, nameAt, name)) return data.getBigUint64(entry + 8, true);
  }
  return undefined;
}

export interface ElfSymbol {
  readonly name: string;
  /** As linked. */
  readonly address: bigint;
  /** In bytes; 0 if the file does not say. */
  readonly size: bigint;
}

/**
 * The defined functions, objects and labels of the symbol table, in its order. Names longer than
 * `maxName` bytes are left out. @throws LoadError if the file is no ELF file for 64-bit RISC-V.
 */
export function* elfSymbols(file: Uint8Array, maxName: number): Generator<ElfSymbol> {
  const data = checkedView(file);
  for (const { entry, nameAt } of symbolEntries(file, data)) {
    const type = data.getUint8(entry + 4) & 15;
    const isDefined = u16(data, entry + 6) !== 0;
    const name = isDefined && type <= STT_FUNC ? nameIn(file, nameAt, maxName) : "";
    if (name === "") continue;
    const address = data.getBigUint64(entry + 8, true);
    yield { name, address, size: data.getBigUint64(entry + 16, true) };
  }
}

/** Where the entries of the symbol table are, and their names. */
function* symbolEntries(
  file: Uint8Array,
  data: DataView,
): Generator<{ readonly entry: number; readonly nameAt: number }> {
  const table = u64(data, 40);
  const entrySize = u16(data, 58);
  for (const at of headers(data, table, entrySize, u16(data, 60))) {
    if (!inside(file, at, SECTION_HEADER_BYTES)) return;
    if (data.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
    const stringsHeader = table + data.getUint32(at + 40, true) * entrySize;
    if (!inside(file, stringsHeader, SECTION_HEADER_BYTES)) return;
    const strings = u64(data, stringsHeader + 24);
    const start = u64(data, at + 24);
    const bytes = u64(data, at + 32);
    if (!inside(file, start, bytes)) return;
    for (let entry = start; entry + SYMBOL_BYTES <= start + bytes; entry += SYMBOL_BYTES) {
      yield { entry, nameAt: strings + data.getUint32(entry, true) };
    }
  }
}

/** The name at a place, or "" if it has no end within `maxBytes`. */
function nameIn(file: Uint8Array, at: number, maxBytes: number): string {
  const end = file.subarray(at, at + maxBytes + 1).indexOf(0);
  return end <= 0 ? "" : String.fromCharCode(...file.subarray(at, at + end));
}

/** Offsets of the entries of a header table. */
function headers(data: DataView, start: number, entrySize: number, count: number): number[] {
  if (start === 0 || start > data.byteLength) return [];
  return Array.from({ length: count }, (_, i) => start + i * entrySize);
}

function nameIs(file: Uint8Array, at: number, name: string): boolean {
  if (!inside(file, at, name.length + 1) || file[at + name.length] !== 0) return false;
  for (let i = 0; i < name.length; i++) {
    if (file[at + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Entry points and symbols are virtual; a kernel may be linked elsewhere than it is loaded. */
function physical(segments: readonly ElfSegment[], address: bigint): number {
  for (const segment of segments) {
    const offset = address - segment.virtual;
    if (offset >= 0n && offset < BigInt(segment.size)) return segment.address + Number(offset);
  }
  return Number(address);
}

function inside(file: Uint8Array, offset: number, length: number): boolean {
  return offset <= file.length && length <= file.length - offset;
}

function damaged(): LoadError {
  return new LoadError("The ELF file is cut off or damaged.", "Fetch or build it again.");
}

function view(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.byteLength);
}

function u16(data: DataView, at: number): number {
  return data.getUint16(at, true);
}

/** A file offset, length or physical address; 2^53 and above is out of every range it is held to. */
function u64(data: DataView, at: number): number {
  return Number(data.getBigUint64(at, true));
}
