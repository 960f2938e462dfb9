/**
 * The golden data: for every case, the words of its record that QEMU changed.
 *
 * A file is a JSON header with the groups, the number and the places of the changed words of all
 * cases, and then the changed words; compressed as a whole.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { COMPARED_WORDS } from "./layout.ts";

const GOLDEN_PATH = new URL("testdata/golden.br", import.meta.url);

/** Doublewords by their place in the record. */
export type Changes = ReadonlyMap<number, bigint>;

interface GoldenGroup {
  readonly name: string;
  /** Of all inputs of the group, to tell golden data that is out of date. */
  readonly inputs: number;
  readonly cases: readonly Changes[];
}

export interface Golden {
  readonly qemu: string;
  readonly groups: readonly GoldenGroup[];
}

export function changesOf(input: BigUint64Array, result: BigUint64Array): Changes {
  const changes = new Map<number, bigint>();
  for (let k = 0; k < COMPARED_WORDS; k++) {
    if (input[k] !== result[k]) changes.set(k, result[k]);
  }
  return changes;
}

/** Continues a hash over the bytes of a record; start with 0. */
export function hashRecord(hash: number, record: BigUint64Array): number {
  let h = hash;
  for (const half of new Uint32Array(record.buffer, record.byteOffset, 2 * record.length)) {
    h = Math.imul((h << 5) ^ (h >>> 27) ^ half, 0x0100_0193);
  }
  return h >>> 0;
}

export function writeGolden(golden: Golden): number {
  const groups = golden.groups.map(({ name, inputs, cases }) => ({
    name,
    inputs,
    count: cases.length,
  }));
  const header = new TextEncoder().encode(JSON.stringify({ qemu: golden.qemu, groups }));
  const all = golden.groups.flatMap(({ cases }) => cases);
  const places = all.flatMap((changes) => [changes.size, ...changes.keys()]);
  const values = all.flatMap((changes) => [...changes.values()]);
  const start = 8 + header.length + places.length;
  const bytes = new Uint8Array(start + 8 * values.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.length, true);
  view.setUint32(4, places.length, true);
  bytes.set(header, 8);
  bytes.set(places, 8 + header.length);
  for (const [k, value] of values.entries()) view.setBigUint64(start + 8 * k, value, true);
  const { BROTLI_PARAM_LGWIN, BROTLI_MAX_WINDOW_BITS } = constants;
  const params = { [BROTLI_PARAM_LGWIN]: BROTLI_MAX_WINDOW_BITS };
  const compressed = brotliCompressSync(bytes, { params });
  writeFileSync(GOLDEN_PATH, compressed);
  return compressed.length;
}

export function readGolden(): Golden {
  const bytes = new Uint8Array(brotliDecompressSync(readFileSync(GOLDEN_PATH)));
  const view = new DataView(bytes.buffer);
  const headerLength = view.getUint32(0, true);
  let place = 8 + headerLength;
  let value = place + view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, place))) as {
    qemu: string;
    groups: { name: string; inputs: number; count: number }[];
  };
  const next = (): Changes => {
    const changes = new Map<number, bigint>();
    for (let left = bytes[place++]; left > 0; left--) {
      changes.set(bytes[place++], view.getBigUint64(value, true));
      value += 8;
    }
    return changes;
  };
  const groups = header.groups.map(({ name, inputs, count }) => ({
    name,
    inputs,
    cases: Array.from({ length: count }, next),
  }));
  return { qemu: header.qemu, groups };
}
