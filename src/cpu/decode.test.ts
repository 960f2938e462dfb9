/** Decoding in generated code against the decoder that the translator and the disassembler use. */
import { expect, test } from "vitest";
import { decode, instructionLength, newDecoded } from "../isa/decoder.ts";
import { COMPRESSED_ROWS, ROWS } from "../isa/table.ts";
import { ModuleBuilder } from "../wasm/module-builder.ts";
import { defineDecode } from "./decode.ts";
import { rowOps, SpecialOp } from "./handlers.ts";
import { ENTRY, F_BASE, SCRATCH, SLOT, WASM_PAGE, X_BASE, X_SINK } from "./layout.ts";

const ROW_OPS = rowOps();

const PAGE_BYTES = 4096;
/** One page's slot, and behind it the page. */
const CODE = SLOT.base + SLOT.bytes;
const PAGES = Math.ceil((CODE + PAGE_BYTES) / WASM_PAGE);
const CASES_PER_ROW = 60;

const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
const data = new DataView(memory.buffer);
data.setUint32(SLOT.base + SLOT.host, CODE, true);
const slot = new Uint8Array(memory.buffer, SLOT.base, SLOT.end);

const module = new ModuleBuilder();
const memoryImport = { module: "host", name: "memory", initial: PAGES, maximum: PAGES };
module.importMemory({ ...memoryImport, shared: false });
module.export(defineDecode(module).decodeScratch);
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
  host: { memory },
});
const core = exports as unknown as {
  decode(entry: number): void;
  decode_scratch(slot: number, bits: number): void;
};

/** xorshift32, so that a failure comes again. */
let seed = 0x1234_5678;
function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}

/** What an entry must hold; `offset` is undefined outside a page's slot. */
function expected(bits: number, offset: number | undefined): Record<string, number> {
  const d = newDecoded();
  decode(bits, d);
  const ops = d.row && ROW_OPS.get(d.row);
  if (ops === undefined) return { op: SpecialOp.illegal };
  const register = (float: boolean, index: number) => (float ? F_BASE : X_BASE) + index * 8;
  const target = (offset ?? Number.NaN) + d.imm;
  const near = ops.relative && target >= 0 && target < PAGE_BYTES;
  return {
    op: (near ? ops.near : ops.far)[d.length === 2 ? 0 : 1],
    rd: register(ops.floatDestination, !ops.floatDestination && d.rd === 0 ? X_SINK : d.rd),
    rs1: ops.zimm ? d.rs1 : register(ops.floatSource1, d.rs1),
    rs2: register(ops.floatSource2, d.rs2),
    imm: near ? d.imm * 8 : d.imm,
    rs3: d.rs3,
    rm: d.rm,
  };
}

function found(entry: number): Record<string, number> {
  const op = data.getUint16(entry + ENTRY.op, true);
  if (op === SpecialOp.illegal) return { op };
  return {
    op,
    rd: data.getUint16(entry + ENTRY.rd, true),
    rs1: data.getUint16(entry + ENTRY.rs1, true),
    rs2: data.getUint16(entry + ENTRY.rs2, true),
    imm: data.getInt32(entry + ENTRY.imm, true),
    rs3: data.getUint8(entry + ENTRY.rs3),
    rm: data.getUint8(entry + ENTRY.rm),
  };
}

function check(bits: number): void {
  const half = random() % (PAGE_BYTES / 2 - 1);
  const entry = SLOT.base + half * ENTRY.bytes;
  data.setUint32(CODE + half * 2, bits, true);
  // No neighbour that it could be fused with.
  slot.fill(0);
  core.decode(entry);
  expect(found(entry), `0x${bits.toString(16)} in a page`).toEqual(expected(bits, half * 2));
  core.decode_scratch(SCRATCH.base, bits);
  expect(found(SCRATCH.base), `0x${bits.toString(16)}`).toEqual(expected(bits, undefined));
  expect(data.getUint16(SCRATCH.base + ENTRY.bytes, true)).toBe(SpecialOp.pageEnd);
}

test.each([...ROWS, ...COMPRESSED_ROWS])("$name", ({ pattern }) => {
  for (let k = 0; k < CASES_PER_ROW; k++) {
    check(((random() & ~pattern.mask) | pattern.match) >>> 0);
  }
});

test("any bits, mostly illegal ones", () => {
  for (let k = 0; k < 20_000; k++) check(k % 2 === 0 ? random() : random() | 3);
});

test("every 16-bit instruction", () => {
  for (let bits = 0; bits < 0x1_0000; bits++) {
    if (instructionLength(bits) === 4) continue;
    core.decode_scratch(SCRATCH.base, bits);
    expect(found(SCRATCH.base), `0x${bits.toString(16)}`).toEqual(expected(bits, undefined));
  }
});

test("a long instruction in the last half-word of a page is left to the fetch of both pages", () => {
  const last = SLOT.base + (PAGE_BYTES / 2 - 1) * ENTRY.bytes;
  data.setUint16(CODE + PAGE_BYTES - 2, 0x0013, true);
  core.decode(last);
  expect(data.getUint16(last, true)).toBe(SpecialOp.straddle);
});
