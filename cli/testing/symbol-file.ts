/** An ELF file of symbols alone, made of a System.map, for a debugger to take names from. */

const [HEADER_BYTES, SECTION_BYTES, SYMBOL_BYTES] = [64, 64, 24];
const ET_EXEC = 2;
const EM_RISCV = 243;
/** Double-precision floats and compressed instructions. */
const FLAGS = 5;
const [SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS] = [2, 3, 8];
const [STT_OBJECT, STT_FUNC, STB_GLOBAL] = [1, 2, 1 << 4];
const ALLOC_EXECUTE = 6;
/** The section that all symbols are said to be in, from the lowest kernel address on. */
const TEXT = 1;
const TEXT_BYTES = 0x100_0000;
const SECTION_NAMES = ["", ".text", ".symtab", ".strtab"];

interface MapSymbol {
  readonly address: bigint;
  readonly isFunction: boolean;
  readonly name: string;
}

export function symbolFile(systemMap: string): Uint8Array {
  const symbols = parse(systemMap);
  const strings = stringTable([...SECTION_NAMES, ...symbols.map(({ name }) => name)]);
  const stringsAt = HEADER_BYTES + (symbols.length + 1) * SYMBOL_BYTES;
  const sectionsAt = (stringsAt + strings.bytes.length + 7) & ~7;
  const file = new Uint8Array(sectionsAt + SECTION_NAMES.length * SECTION_BYTES);
  const data = new DataView(file.buffer);
  writeHeader(file, data, sectionsAt);
  file.set(strings.bytes, stringsAt);
  for (const [k, symbol] of symbols.entries()) {
    const at = HEADER_BYTES + (k + 1) * SYMBOL_BYTES;
    writeSymbol(data, at, symbol, strings.places[SECTION_NAMES.length + k]);
  }
  const section = (index: number, type: number, at: number, bytes: number): number => {
    const header = sectionsAt + index * SECTION_BYTES;
    data.setUint32(header, strings.places[index], true);
    data.setUint32(header + 4, type, true);
    data.setBigUint64(header + 24, BigInt(at), true);
    data.setBigUint64(header + 32, BigInt(bytes), true);
    return header;
  };
  const text = section(TEXT, SHT_NOBITS, HEADER_BYTES, TEXT_BYTES);
  data.setBigUint64(text + 8, BigInt(ALLOC_EXECUTE), true);
  data.setBigUint64(text + 16, symbols[0].address, true);
  const table = section(2, SHT_SYMTAB, HEADER_BYTES, stringsAt - HEADER_BYTES);
  data.setUint32(table + 40, 3, true);
  data.setUint32(table + 44, 1, true);
  data.setBigUint64(table + 56, BigInt(SYMBOL_BYTES), true);
  section(3, SHT_STRTAB, stringsAt, strings.bytes.length);
  return file;
}

/** The functions and variables at the kernel's addresses, lowest first. */
function parse(systemMap: string): MapSymbol[] {
  return [...systemMap.matchAll(/^(f[0-9a-f]{15}) ([tTdDbBrR]) (\S+)$/gm)]
    .map(([, address, type, name]) => ({
      address: BigInt(`0x${address}`),
      isFunction: type === "t" || type === "T",
      name,
    }))
    .sort((a, b) => Number(a.address - b.address));
}

function stringTable(names: readonly string[]): { bytes: Uint8Array; places: number[] } {
  const places: number[] = [];
  let at = 0;
  for (const name of names) {
    places.push(at);
    at += name.length + 1;
  }
  return { bytes: new TextEncoder().encode(names.map((name) => `${name}\0`).join("")), places };
}

function writeHeader(file: Uint8Array, data: DataView, sectionsAt: number): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  data.setUint16(16, ET_EXEC, true);
  data.setUint16(18, EM_RISCV, true);
  data.setUint32(20, 1, true);
  data.setBigUint64(40, BigInt(sectionsAt), true);
  data.setUint32(48, FLAGS, true);
  data.setUint16(52, HEADER_BYTES, true);
  data.setUint16(58, SECTION_BYTES, true);
  data.setUint16(60, SECTION_NAMES.length, true);
  data.setUint16(62, 3, true);
}

function writeSymbol(data: DataView, at: number, symbol: MapSymbol, nameAt: number): void {
  const { address, isFunction } = symbol;
  data.setUint32(at, nameAt, true);
  data.setUint8(at + 4, STB_GLOBAL | (isFunction ? STT_FUNC : STT_OBJECT));
  data.setUint16(at + 6, TEXT, true);
  data.setBigUint64(at + 8, address, true);
}
