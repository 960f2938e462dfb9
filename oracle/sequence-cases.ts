/** Random programs of 10 to 30 instructions with forward branches, some of them in a loop. */
import { encode } from "../src/isa/assembler.ts";
import { type Decoded, decode, newDecoded } from "../src/isa/decoder.ts";
import type { CompressedRow, Row } from "../src/isa/row.ts";
import { COMPRESSED_ROWS, expansionOf, ROWS } from "../src/isa/table.ts";
import { Case, code, type Group } from "./cases.ts";
import { CSR } from "./csr-names.ts";
import { SCRATCH, SCRATCH_WORDS } from "./layout.ts";
import { isOnQemu } from "./qemu.ts";
import type { Random } from "./random.ts";
import { fieldBits } from "./row-cases.ts";
import { double, integer, single } from "./values.ts";

/** Registers that point into the scratch memory, and the loop counter: nothing writes them. */
const POINTERS = [2, 8, 9];
const COUNTER = 27;
const KEPT = new Set([...POINTERS, COUNTER]);

const BYTES: Readonly<Record<string, number>> = {
  ...{ lb: 1, lbu: 1, sb: 1, lh: 2, lhu: 2, sh: 2, lw: 4, lwu: 4, sw: 4, ld: 8, sd: 8 },
  ...{ flw: 4, fsw: 4, fld: 8, fsd: 8 },
};
const BRANCHES = new Set(["beq", "bne", "blt", "bge", "bltu", "bgeu", "jal"]);
/** Rows that would leave the sequence, or that are only sensible in pairs. */
const LEFT_OUT =
  /^(jalr|ecall|ebreak|mret|sret|wfi|s(fence|inval)\..*|fence\.i|lr\..|sc\..|cbo\..*)$/;

const baseOf = (row: Row | CompressedRow): Row =>
  "expansion" in row ? expansionOf(row).base : row;
const CHOICES = [...ROWS, ...COMPRESSED_ROWS].filter(
  (row) => !LEFT_OUT.test(baseOf(row).name) && isOnQemu(baseOf(row)),
);
const FLOAT_CSRS = [CSR.fflags, CSR.frm, CSR.fcsr];

/** One instruction; `skip` is for branches, over how many of the following ones it goes. */
interface Step {
  readonly row: Row | CompressedRow;
  readonly bits: number;
  readonly skip: number;
}

const scratchOf = (c: Case, register: number): number => Number(c.getX(register)) - SCRATCH;

/** Whether the instruction keeps to the scratch memory and leaves the pointers alone. */
function isSafe(c: Case, d: Decoded): boolean {
  const base = d.row;
  if (base === undefined) return false;
  const writesX = base.syntax.startsWith("rd");
  if (writesX && KEPT.has(d.rd)) return false;
  const bytes = BYTES[base.name];
  if (bytes !== undefined) {
    if (!POINTERS.includes(d.rs1)) return false;
    const at = scratchOf(c, d.rs1) + d.imm;
    return at >= 0 && at + bytes <= 8 * SCRATCH_WORDS;
  }
  // The third pointer need not be aligned.
  if (base.extension === "a") return d.rs1 === 2 || d.rs1 === 8;
  return true;
}

/** Fields that random bits would hardly ever get right. */
function steered(row: Row | CompressedRow, bits: number, random: Random): number {
  let out = bits;
  const base = baseOf(row);
  if (base.extension === "zicsr") {
    out = (out & 0xf_ffff) | (random.pick(FLOAT_CSRS) << 20);
  }
  if (!("expansion" in row) && (BYTES[base.name] !== undefined || base.extension === "a")) {
    out = (out & ~(31 << 15)) | (random.pick(POINTERS) << 15);
  }
  return out >>> 0;
}

function randomStep(c: Case, random: Random, left: number): Step {
  const d = newDecoded();
  for (;;) {
    const row = random.pick(CHOICES);
    const base = baseOf(row);
    let bits = row.pattern.match;
    for (const field of row.pattern.fields) bits |= fieldBits(field, random);
    if (BYTES[base.name] !== undefined && random.chance(90)) bits = smallOffset(row, bits, random);
    bits = steered(row, bits, random);
    decode(bits, d);
    if ((d.compressed ?? d.row) !== row || !isSafe(c, d)) continue;
    if (!BRANCHES.has(base.name)) return { row, bits, skip: 0 };
    if (left > 1) return { row, bits, skip: 1 + random.below(Math.min(left - 1, 4)) };
  }
}

/** An immediate that is likely to stay in the scratch memory. */
function smallOffset(row: Row | CompressedRow, bits: number, random: Random): number {
  let out = bits;
  for (const field of row.pattern.fields) {
    if (!/imm/.test(field.name)) continue;
    const value = random.below(72);
    for (const { from, to, width } of field.slices) {
      const mask = 2 ** width - 1;
      out = (out & ~(mask << from)) | (((value >>> to) & mask) << from);
    }
  }
  return out >>> 0;
}

/** LR and SC of one address with at most one harmless instruction between them. */
function reservedPair(random: Random): Step[] {
  const size = random.pick(["w", "d"]);
  const rs1 = random.pick([2, 8]);
  const free = () => 10 + random.below(16);
  const step = (name: string, operands: Record<string, number>): Step => ({
    row: ROWS.find((row) => row.name === name)!,
    bits: encode(name, operands),
    skip: 0,
  });
  return [
    step(`lr.${size}`, { rd: free(), rs1 }),
    step("add", { rd: free(), rs1: free(), rs2: free() }),
    step(`sc.${size}`, { rd: free(), rs1, rs2: free() }),
  ];
}

function placeAll(c: Case, steps: readonly Step[]): void {
  const lengths = steps.map(({ bits }) => code(bits).length);
  for (const [k, { row, bits, skip }] of steps.entries()) {
    if (skip === 0) {
      c.place(bits);
      continue;
    }
    // A branch over the end of the list goes to what follows it.
    const imm = lengths.slice(k, k + skip + 1).reduce<number>((sum, length) => sum + length, 0);
    c.place(withOffset(row, bits, imm));
  }
}

function withOffset(row: Row | CompressedRow, bits: number, imm: number): number {
  let out = bits;
  const field = row.pattern.fields.find(({ name }) => name === "imm")!;
  for (const { from, to, width } of field.slices) {
    const mask = 2 ** width - 1;
    out = (out & ~(mask << from)) | (((imm >>> to) & mask) << from);
  }
  return out >>> 0;
}

function setState(c: Case, random: Random): void {
  c.setStatus(random.pick(["M", "M", "S", "U"]), random.chance(95) ? 3n : 1n);
  c.setFcsr(random.below(5), 0);
  for (let k = 1; k < 32; k++) if (random.chance(70)) c.setX(k, integer(random));
  for (let k = 0; k < 32; k++) {
    if (random.chance(80)) c.setF(k, random.chance(50) ? single(random) : double(random));
  }
  for (const pointer of POINTERS) c.setX(pointer, BigInt(SCRATCH + 8 * random.below(4)));
  if (random.chance(30)) c.setX(9, c.getX(9) + BigInt(random.below(8)));
  for (let k = 0; k < SCRATCH_WORDS; k++) if (random.chance(50)) c.setScratch(k, integer(random));
}

function sequence(random: Random): Case {
  const c = new Case(random);
  setState(c, random);
  const count = 10 + random.below(19);
  const steps: Step[] = [];
  while (steps.length < count) {
    if (count - steps.length >= 4 && random.chance(3)) steps.push(...reservedPair(random));
    else steps.push(randomStep(c, random, count - steps.length));
  }
  const start = c.here;
  placeAll(c, steps);
  // Enough rounds for a translator to find the loop hot.
  if (random.chance(40)) {
    c.setX(COUNTER, BigInt(2 + random.below(100)));
    c.place(encode("addi", { rd: COUNTER, rs1: COUNTER, imm: -1 }));
    c.place(encode("bne", { rs1: COUNTER, rs2: 0, imm: start - c.here }));
  }
  return c.finish();
}

export const SEQUENCE_GROUPS: readonly Group[] = [
  { name: "sequences", count: 2500, make: (_index, random) => sequence(random) },
];
