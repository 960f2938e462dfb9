/** Builds small ELF files for tests: one segment, and a symbol table if wanted. */

export interface ElfSpec {
  readonly address: number;
  readonly data: Uint8Array;
  /** Length in memory. */
  readonly size: number;
  /** Virtual address of the segment and base of entry and symbols; default: as loaded. */
  readonly virtual?: bigint;
  /** Values as linked: relative to `virtual` if that is given. */
  readonly symbols?: { readonly [name: string]: number };
}

const HEADERS = 64 + 56;

export function elfFile(spec: ElfSpec): Uint8Array {
  const names = Object.keys(spec.symbols ?? {});
  const strings = new TextEncoder().encode(`\0${names.map((name) => `${name}\0`).join("")}`);
  const symbolsAt = HEADERS + spec.data.length;
  const stringsAt = symbolsAt + names.length * 24;
  const sectionsAt = stringsAt + strings.length;
  const file = new Uint8Array(sectionsAt + 3 * 64);
  const data = new DataView(file.buffer);
  const u64 = (at: number, value: number | bigint) => data.setBigUint64(at, BigInt(value), true);
  const base = spec.virtual ?? BigInt(spec.address);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  data.setUint16(16, 2, true);
  data.setUint16(18, 243, true);
  u64(24, base);
  u64(32, 64);
  u64(40, sectionsAt);
  data.setUint16(54, 56, true);
  data.setUint16(56, 1, true);
  data.setUint16(58, 64, true);
  data.setUint16(60, 3, true);

  data.setUint32(64, 1, true);
  u64(72, HEADERS);
  u64(80, base);
  u64(88, spec.address);
  u64(96, spec.data.length);
  u64(104, spec.size);
  file.set(spec.data, HEADERS);

  let name = 1;
  names.forEach((key, i) => {
    data.setUint32(symbolsAt + i * 24, name, true);
    u64(symbolsAt + i * 24 + 8, BigInt(spec.symbols![key]) + (spec.virtual ?? 0n));
    name += key.length + 1;
  });
  file.set(strings, stringsAt);

  const section = (index: number, type: number, at: number, length: number, link: number) => {
    const header = sectionsAt + index * 64;
    data.setUint32(header + 4, type, true);
    u64(header + 24, at);
    u64(header + 32, length);
    data.setUint32(header + 40, link, true);
  };
  section(1, 2, symbolsAt, names.length * 24, 2);
  section(2, 3, stringsAt, strings.length, 0);
  return file;
}
