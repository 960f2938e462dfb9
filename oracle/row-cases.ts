/** Cases for one row of the table: edge operands, memory at good and bad addresses, jumps. */
import { encode } from "../src/isa/assembler.ts";
import { type Decoded, decode, newDecoded } from "../src/isa/decoder.ts";
import type { Field } from "../src/isa/pattern.ts";
import type { CompressedRow, Row } from "../src/isa/row.ts";
import { COMPRESSED_ROWS, hasField, ROWS } from "../src/isa/table.ts";
import { Case, code, type Group } from "./cases.ts";
import { csrRowCase } from "./csr-cases.ts";
import {
  CODE,
  FILL_END,
  FILL_START,
  HARNESS,
  HARNESS_END,
  RAM_BASE,
  RAM_SIZE,
  SCRATCH,
  SCRATCH_WORDS,
} from "./layout.ts";
import type { Random } from "./random.ts";
import { SYSTEM_CASES } from "./system-cases.ts";
import { double, integer, neighbour, single } from "./values.ts";

const C_NOP = encode("c.addi", { rd: 0, imm: 0 });

/** Addresses where neither machine has anything. */
const NOWHERE: readonly bigint[] = [
  0x9000_0000n,
  0xc000_0000n,
  BigInt(RAM_BASE + RAM_SIZE),
  0x1_8000_0000n,
  0x10_0000_0000_0000n,
  0x8000_0000_8000_0000n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ff00n,
];

const maskOf = (field: Field): number =>
  field.slices.reduce((bits, { from, width }) => bits | ((2 ** width - 1) << from), 0) >>> 0;

/** Bits of the encoding for one field: zero, all ones, one bit, all but one, or random. */
export function fieldBits(field: Field, random: Random): number {
  const mask = maskOf(field);
  if (field.name === "rm") return (random.pick([0, 1, 2, 3, 4, 7, 7, 7]) << 12) >>> 0;
  if (field.name === "aq" || field.name === "rl") return (random.u32() & mask) >>> 0;
  const single = 1 << random.below(32);
  switch (random.below(8)) {
    case 0:
      return 0;
    case 1:
      return mask;
    case 2:
      return (single & mask) >>> 0;
    case 3:
      return (~single & mask) >>> 0;
    default:
      return (random.u32() & mask) >>> 0;
  }
}

const REGISTER = /^(r|f)(d|s\d)'?$/;

/** Random operands in the encoding; registers are the same one now and then. */
function randomBits(row: Row | CompressedRow, random: Random): number {
  let bits = row.pattern.match;
  const shared = random.u32();
  for (const field of row.pattern.fields) {
    const same = REGISTER.test(field.name) && random.chance(15);
    if (!same) bits |= fieldBits(field, random);
    else for (const { from, width } of field.slices) bits |= (shared & (2 ** width - 1)) << from;
  }
  return bits >>> 0;
}

type Prepare = (c: Case, d: Decoded) => boolean;

/** Whether a jump there stays under control: it meets the filling or the next instruction. */
function targetIsSafe(c: Case, d: Decoded, target: number): boolean {
  if (target === c.here + d.length) return true;
  if (target >= HARNESS && target < HARNESS_END) return false;
  // Four more bytes are the jump to the exit.
  const end = c.here + d.length + 4;
  return target >= FILL_START && target < FILL_END && !(target >= CODE && target < end);
}

const ACCESS_BYTES: Readonly<Record<string, number>> = { b: 1, h: 2, w: 4, d: 8 };

function accessBytes(name: string): number {
  const letter = /^(?:f?[ls])([bhwd])u?$/.exec(name)?.[1] ?? name.at(-1) ?? "";
  return ACCESS_BYTES[letter];
}

function memoryAddress(random: Random, bytes: number, aligned: boolean): bigint {
  const kind = random.below(20);
  if (kind === 0) return random.pick(NOWHERE) + BigInt(random.below(8) * (aligned ? bytes : 1));
  if (kind === 1) return random.pick(NOWHERE);
  const last = 8 * SCRATCH_WORDS - bytes;
  const any = random.below(last + 1);
  return BigInt(SCRATCH + (aligned || random.chance(50) ? any - (any % bytes) : any));
}

const prepareAccess: Prepare = (c, d) => {
  const bytes = accessBytes(d.row?.name ?? "");
  c.setX(d.rs2, integer(c.random));
  c.setF(d.rs2, c.random.chance(50) ? single(c.random) : double(c.random));
  const address = memoryAddress(c.random, bytes, false);
  c.setX(d.rs1, address - BigInt(d.imm));
  fillScratch(c);
  return true;
};

/** Sign bits everywhere matter to loads and AMOs, so that half of the memory is edge values. */
function fillScratch(c: Case): void {
  for (let k = 0; k < SCRATCH_WORDS; k += 2) c.setScratch(k, integer(c.random));
}

const prepareAtomic: Prepare = (c, d) => {
  const bytes = accessBytes(d.row?.name ?? "");
  c.setX(d.rs2, integer(c.random));
  fillScratch(c);
  c.setX(d.rs1, memoryAddress(c.random, bytes, c.random.chance(90)));
  return true;
};

const prepareBranch: Prepare = (c, d) => {
  const first = integer(c.random);
  const near = first + BigInt(c.random.below(3) - 1);
  c.setX(d.rs1, first);
  c.setX(d.rs2, c.random.chance(50) ? near : integer(c.random));
  return targetIsSafe(c, d, c.here + d.imm);
};

const prepareJump: Prepare = (c, d) => targetIsSafe(c, d, c.here + d.imm);

const prepareComputedJump: Prepare = (c, d) => {
  const { random } = c;
  // An address below 2 KiB or at the top of the address space: nothing is there to execute.
  if (d.rs1 === 0) return true;
  const next = c.here + d.length;
  const inFilling = FILL_START + 2 * random.below((FILL_END - FILL_START) / 2);
  const target = random.chance(12) ? next : inFilling;
  if (!targetIsSafe(c, d, target)) return false;
  const chosen = random.chance(10) ? random.pick(NOWHERE) : BigInt(target);
  c.setX(d.rs1, (chosen | BigInt(random.below(2))) - BigInt(d.imm));
  return true;
};

const SIGN: Readonly<Record<string, bigint>> = { s: 1n << 31n, d: 1n << 63n };

function prepareFloat(c: Case, d: Decoded): void {
  const { random } = c;
  const suffix = (d.row?.name ?? "").split(".").at(-1) ?? "";
  const value = suffix === "d" ? double : single;
  const first = value(random);
  c.setF(d.rs1, first);
  const sign = SIGN[suffix] ?? 0n;
  c.setF(d.rs2, random.chance(25) ? neighbour(first, sign, random) : value(random));
  const fused = d.row !== undefined && hasField(d.row, "fs3");
  const third = fused && random.chance(40) ? product(c, d, suffix) : value(random);
  c.setF(d.rs3, random.chance(50) ? third : third ^ sign);
}

/** About the product of the first two operands, so that a fused addition cancels most of it. */
function product(c: Case, d: Decoded, suffix: string): bigint {
  const view = new DataView(new ArrayBuffer(8));
  const read = (index: number): number => {
    view.setBigUint64(0, c.getF(index));
    return suffix === "d" ? view.getFloat64(0) : view.getFloat32(4);
  };
  const value = read(d.rs1) * read(d.rs2);
  if (suffix === "d") view.setFloat64(0, value);
  else view.setFloat32(4, value);
  // The sign and payload of a NaN that JavaScript makes are not the same everywhere.
  if (Number.isNaN(value)) return 0x7ff8_0000_7fc0_0000n;
  if (suffix !== "d") view.setUint32(0, 0xffff_ffff);
  return view.getBigUint64(0);
}

const prepareOperands: Prepare = (c, d) => {
  const first = integer(c.random);
  c.setX(d.rs1, first);
  const near = first + BigInt(c.random.below(3) - 1);
  if (d.rs2 !== d.rs1) c.setX(d.rs2, c.random.chance(20) ? near : integer(c.random));
  if (d.row?.extension === "f" || d.row?.extension === "d") prepareFloat(c, d);
  return true;
};

function preparation(base: Row): Prepare {
  if (base.name === "jalr") return prepareComputedJump;
  if (base.name === "jal") return prepareJump;
  if (base.syntax === "rs1, rs2, imm") return prepareBranch;
  if (base.syntax.endsWith("imm(rs1)")) return prepareAccess;
  if (base.extension === "a") return prepareAtomic;
  return prepareOperands;
}

/** A mode and the state of the floating-point unit; mostly M-mode, where a case is shorter. */
function setStatus(c: Case, float: boolean): void {
  const { random } = c;
  const mode = random.pick(["M", "M", "M", "M", "S", "U"] as const);
  const fs = float ? random.pick([3n, 3n, 3n, 3n, 3n, 3n, 3n, 1n, 2n, 0n]) : random.pick([0n, 3n]);
  c.setStatus(mode, fs);
  const frm = random.chance(6) ? 5 + random.below(3) : random.below(5);
  c.setFcsr(frm, random.chance(50) ? 0 : random.below(32));
}

const isFloat = (base: Row): boolean => base.extension === "f" || base.extension === "d";

function rowCase(row: Row | CompressedRow, random: Random): Case {
  const d = newDecoded();
  for (;;) {
    const bits = randomBits(row, random);
    decode(bits, d);
    if (d.row === undefined || (d.compressed ?? d.row) !== row) continue;
    const c = new Case(random);
    setStatus(c, isFloat(d.row));
    if (random.chance(30)) c.place(C_NOP);
    if (!preparation(d.row)(c, d)) continue;
    c.place(reservedRounding(d.row, bits, random));
    return c.finish();
  }
}

/** Now and then one of the two rounding modes that do not exist: an illegal instruction. */
function reservedRounding(base: Row, bits: number, random: Random): number {
  if (!hasField(base, "rm") || code(bits).length === 2 || !random.chance(3)) return bits;
  return ((bits & ~0x7000) | (random.pick([5, 6]) << 12)) >>> 0;
}

function casesPerRow(row: Row | CompressedRow): number {
  if (row.extension === "zicsr") return 600;
  if (hasField(row, "rm")) return 600;
  if (row.extension === "f" || row.extension === "d") return 300;
  return 220;
}

function makerOf(row: Row | CompressedRow): (random: Random) => Case {
  if (row.extension === "zicsr") return (random) => csrRowCase(row as Row, random);
  return SYSTEM_CASES[row.name] ?? ((random) => rowCase(row, random));
}

/** One group for every row, called by the row's name. */
export const ROW_GROUPS: readonly Group[] = [...ROWS, ...COMPRESSED_ROWS].map((row) => {
  const make = makerOf(row);
  return { name: row.name, count: casesPerRow(row), make: (_index, random) => make(random) };
});
