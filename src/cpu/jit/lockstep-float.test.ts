/**
 * Interpreter and translator on the same random floating-point programs: every operation in every
 * rounding mode, loads and stores, faults, and the state that they leave in fcsr and mstatus.
 */
import { setFlagsFromString } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode } from "../../isa/assembler.ts";
import { FLOAT_ROWS } from "../../isa/rows/float.ts";
import { bareMachine } from "../testing/bare-machine.ts";

// Engines before V8 11.4 have the fused multiply-add behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");

const RAM = 0x8000_0000;
const HANDLER = RAM + 0x100;
const CODE = RAM + 0x1000;
const DATA = RAM + 0x8000;
const FUEL = 31;
const DATA_BASE = 30;
/** Bit 13, to make FS Clean from Dirty. */
const FS_LOW = 29;
const SCRATCH = 28;
const SUM = 27;
/** The end of RAM, less than a double away: accesses there fault. */
const EDGE = 26;
const CSR = { fflags: 1, frm: 2, fcsr: 3, mstatus: 0x300, mepc: 0x341, mcause: 0x342 } as const;
const MINSTRET = 0xb02;
const MTVEC = 0x305;

type Item =
  | { readonly kind: "plain"; readonly words: readonly number[] }
  | {
      readonly kind: "forward" | "back";
      readonly a: number;
      readonly b: number;
      readonly by: number;
    };

const general = fc.integer({ min: 5, max: 12 });
const float = fc.integer({ min: 0, max: 7 });
/** Mostly as compilers write it: dynamic, to nearest, or towards zero. */
const mode = fc.constantFrom(7, 7, 7, 7, 7, 7, 0, 1, 0, 1, 2, 3, 4);

const plain = (...words: number[]): Item => ({ kind: "plain", words });

const MEMORY = new Set(["flw", "fsw", "fld", "fsd"]);

/** One instruction of a row with registers drawn for its fields. */
const operation = fc
  .tuple(
    fc.constantFrom(...FLOAT_ROWS.filter(({ name }) => !MEMORY.has(name))),
    fc.tuple(float, float, float, float),
    fc.tuple(general, general),
    mode,
  )
  .map(([row, [fd, fs1, fs2, fs3], [rd, rs1], rm]) => {
    const all: Record<string, number> = { fd, fs1, fs2, fs3, rd, rs1, rm };
    const names = row.pattern.fields.map((field) => field.name);
    return plain(encode(row.name, Object.fromEntries(names.map((name) => [name, all[name]]))));
  });

const item: fc.Arbitrary<Item> = fc.oneof(
  { weight: 12, arbitrary: operation },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.constantFrom("flw", "fld"), float, fc.nat({ max: 31 }), fc.nat({ max: 9 }))
      .map(([name, fd, at, edge]) =>
        edge === 0
          ? plain(encode(name, { fd, rs1: EDGE, imm: 0 }))
          : plain(encode(name, { fd, rs1: DATA_BASE, imm: at * 8 })),
      ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("fsw", "fsd"), float, fc.nat({ max: 31 }), fc.nat({ max: 9 }))
      .map(([name, fs2, at, edge]) =>
        edge === 0
          ? plain(encode(name, { fs2, rs1: EDGE, imm: 0 }))
          : plain(encode(name, { fs2, rs1: DATA_BASE, imm: 256 + at * 8 })),
      ),
  },
  {
    weight: 3,
    arbitrary: fc
      .oneof(
        fc.nat({ max: 4 }).map((zimm) => [encode("csrrwi", { zimm, csr: CSR.frm })]),
        fc.constantFrom(0, 0, 16).map((zimm) => [encode("csrrwi", { zimm, csr: CSR.fflags })]),
        general.map((rd) => [encode("csrrs", { rd, csr: CSR.fcsr })]),
        fc.constant([
          encode("csrrc", { rd: SCRATCH, rs1: FS_LOW, csr: CSR.mstatus }),
          encode("add", { rd: SUM, rs1: SUM, rs2: SCRATCH }),
        ]),
      )
      // The hart stops, and looks for what to translate, where a jump has led.
      .map((words) => plain(...words, encode("jal", { imm: 4 }))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(general, general, fc.integer({ min: 1, max: 5 }))
      .map(([a, b, by]): Item => ({ kind: "forward", a, b, by })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(general, general, fc.integer({ min: 1, max: 12 }))
      .map(([a, b, by]): Item => ({ kind: "back", a, b, by })),
  },
);

const ITEM_BYTES = 16;
const NOP = encode("addi", {});

/** Four words, so that distances between items are known. */
function assembleItem(it: Item, index: number, count: number): number[] {
  const words =
    it.kind === "plain"
      ? it.words
      : it.kind === "forward"
        ? [
            encode("bne", {
              rs1: it.a,
              rs2: it.b,
              imm: Math.min(it.by, count - index) * ITEM_BYTES,
            }),
          ]
        : [
            encode("addi", { rd: FUEL, rs1: FUEL, imm: -1 }),
            encode("blt", { rs1: FUEL, rs2: 0, imm: 8 }),
            encode("jal", { rd: 0, imm: -Math.min(it.by, index) * ITEM_BYTES - 8 }),
          ];
  return [...words, NOP, NOP, NOP].slice(0, 4);
}

/** Mixes the cause, the address and FS into a sum, and goes on after the faulting instruction. */
const HANDLER_WORDS = [
  ...[CSR.mcause, CSR.mstatus, CSR.mepc].flatMap((csr) => [
    encode("csrrs", { rd: SCRATCH, csr }),
    encode("add", { rd: SUM, rs1: SUM, rs2: SCRATCH }),
  ]),
  encode("addi", { rd: SCRATCH, rs1: SCRATCH, imm: 4 }),
  encode("csrrw", { rs1: SCRATCH, csr: CSR.mepc }),
  encode("mret"),
];

const BOX = 0xffff_ffff_0000_0000n;
const double = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0];
const single = (value: number): bigint =>
  BigInt(new Uint32Array(new Float32Array([value]).buffer)[0]) | BOX;
/** Numbers with which most operations are inexact and few of them leave the range. */
const moderate = fc.tuple(fc.integer({ min: -999, max: 999 }), fc.constantFrom(1, 3, 7, 1000));

/** Registers and memory before a program: raw bits. */
const bits = fc.oneof(
  { weight: 4, arbitrary: moderate.map(([a, b]) => double(a / b)) },
  { weight: 3, arbitrary: moderate.map(([a, b]) => single(a / b)) },
  { weight: 1, arbitrary: fc.double().map(double) },
  { weight: 1, arbitrary: fc.float().map(single) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
);
const integers = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map((value) => BigInt.asUintN(64, BigInt(value))),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

interface Start {
  readonly f: readonly bigint[];
  readonly x: readonly bigint[];
  readonly data: readonly bigint[];
  readonly fcsr: number;
}

function execute(words: readonly number[], start: Start, translate: "never" | "eager") {
  const ramBytes = 0x10_0000;
  const { hart, memory, program } = bareMachine({ ramBytes, translate });
  program(HANDLER, HANDLER_WORDS);
  program(RAM, [
    encode("csrrw", { rs1: 5, csr: MTVEC }),
    encode("csrrw", { rs1: 6, csr: CSR.mstatus }),
    encode("csrrw", { rs1: 7, csr: CSR.fcsr }),
  ]);
  program(CODE, [
    encode("csrrw", { csr: MINSTRET }),
    ...words,
    encode("csrrs", { rd: SCRATCH, csr: MINSTRET }),
    encode("jal", { imm: 0 }),
  ]);
  const end = BigInt(CODE + (words.length + 2) * 4);
  const results: unknown[] = [];
  // Again and again: over code that the rounds before have executed, and left translated.
  for (let round = 0; round < 4; round++) {
    hart.setPc(BigInt(RAM));
    hart.setX(5, BigInt(HANDLER));
    hart.setX(6, 3n << 13n);
    hart.setX(7, BigInt(start.fcsr));
    hart.step(3);
    for (const [k, value] of start.f.entries()) hart.setF(k, value);
    for (const [k, value] of start.x.entries()) hart.setX(5 + k, value);
    memory.write(DATA, new Uint8Array(new BigUint64Array(start.data).buffer));
    hart.setX(FUEL, 40n);
    hart.setX(DATA_BASE, BigInt(DATA));
    hart.setX(FS_LOW, 1n << 13n);
    hart.setX(EDGE, BigInt(RAM + ramBytes - 2));
    hart.setX(SUM, 0n);
    hart.setPc(BigInt(CODE));
    for (let k = 0; k < 20_000 && hart.pc() !== end; k++) hart.run(round < 2 ? 1 + (k % 4) : 100);
    results.push({
      pc: hart.pc(),
      x: Array.from({ length: 32 }, (_, index) => hart.getX(index)),
      f: Array.from({ length: 32 }, (_, index) => hart.getF(index)),
      fcsr: hart.peekCsr(CSR.fcsr),
      mstatus: hart.peekCsr(CSR.mstatus),
      data: memory.view(DATA, 1024)?.slice(),
    });
    expect(hart.pc()).toBe(end);
  }
  return { results, compiled: hart.translation?.compiled ?? 0 };
}

describe("interpreter and translator", () => {
  test("agree on random floating-point programs", () => {
    let compiled = 0;
    fc.assert(
      fc.property(
        fc.array(item, { minLength: 3, maxLength: 30 }),
        fc.record({
          f: fc.array(bits, { minLength: 8, maxLength: 8 }),
          x: fc.array(integers, { minLength: 8, maxLength: 8 }),
          data: fc.array(bits, { minLength: 32, maxLength: 32 }),
          fcsr: fc.constantFrom(0, 1, 1, 0x1f, 0x21, 0x41, 0x61, 0x81),
        }),
        (items, start) => {
          const words = items.flatMap((it, k) => assembleItem(it, k, items.length));
          const actual = execute(words, start, "eager");
          expect(actual.results).toEqual(execute(words, start, "never").results);
          compiled += actual.compiled;
        },
      ),
      { numRuns: 120 },
    );
    expect(compiled).toBeGreaterThan(100);
  }, 120_000);
});
