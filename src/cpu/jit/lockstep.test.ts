/**
 * Interpreter and translator on the same random programs: branches, loops, calls, faults and stores
 * into code. The translator is made to translate whatever it meets, in slices that end often.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode } from "../../isa/assembler.ts";
import { bareMachine } from "../testing/bare-machine.ts";
import { LateCompiler } from "../testing/late-compiler.ts";

const RAM = 0x8000_0000;
const CODE = RAM + 0x1000;
const HANDLER = RAM + 0x100;
const DATA = RAM + 0x8000;
/** Registers by use: fuel for loops, bases of data and code, the handler's own, and the rest. */
const FUEL = 31;
const DATA_BASE = 30;
const CODE_BASE = 29;
const SCRATCH = 28;
const SUM = 27;
const general = fc.integer({ min: 5, max: 15 });

type Item =
  | { readonly kind: "plain"; readonly word: number }
  | {
      readonly kind: "forward";
      readonly name: string;
      readonly a: number;
      readonly b: number;
      readonly skip: number;
    }
  | {
      readonly kind: "back";
      readonly name: string;
      readonly a: number;
      readonly b: number;
      readonly by: number;
    }
  | { readonly kind: "call"; readonly skip: number }
  | { readonly kind: "patch"; readonly at: number; readonly imm: number };

const ALU = ["add", "sub", "xor", "or", "and", "sll", "srl", "sra", "slt", "sltu", "mul", "mulh"];
const ALU_W = ["addw", "subw", "sllw", "divw", "remu", "div", "mulhu"];
const BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];
const LOADS = ["lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"];
const STORES = ["sb", "sh", "sw", "sd"];

const item: fc.Arbitrary<Item> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ALU, ...ALU_W), general, general, general)
    .map(([name, rd, rs1, rs2]): Item => ({ kind: "plain", word: encode(name, { rd, rs1, rs2 }) })),
  fc
    .tuple(
      fc.constantFrom("addi", "xori", "andi", "addiw"),
      general,
      general,
      fc.integer({ min: -2048, max: 2047 }),
    )
    .map(([name, rd, rs1, imm]): Item => ({ kind: "plain", word: encode(name, { rd, rs1, imm }) })),
  fc
    .tuple(
      fc.constantFrom(...LOADS),
      fc.integer({ min: 0, max: 15 }),
      fc.integer({ min: 0, max: 255 }),
    )
    .map(
      ([name, rd, imm]): Item => ({
        kind: "plain",
        word: encode(name, { rd: rd < 5 && rd > 0 ? 5 : rd, rs1: DATA_BASE, imm }),
      }),
    ),
  fc.tuple(fc.constantFrom(...STORES), general, fc.integer({ min: 0, max: 255 })).map(
    ([name, rs2, imm]): Item => ({
      kind: "plain",
      word: encode(name, { rs2, rs1: DATA_BASE, imm }),
    }),
  ),
  // Addresses out of nowhere: mostly faults, which the handler counts and skips.
  fc
    .tuple(fc.constantFrom(...LOADS), general, general)
    .map(([name, rd, rs1]): Item => ({ kind: "plain", word: encode(name, { rd, rs1, imm: 0 }) })),
  fc.tuple(fc.constantFrom("amoadd.w", "amoswap.d", "amomaxu.w"), general, general).map(
    ([name, rd, rs2]): Item => ({
      kind: "plain",
      word: encode(name, { rd, rs2, rs1: DATA_BASE }),
    }),
  ),
  fc
    .tuple(fc.constantFrom(...BRANCHES), general, general, fc.integer({ min: 1, max: 6 }))
    .map(([name, a, b, skip]): Item => ({ kind: "forward", name, a, b, skip })),
  fc
    .tuple(fc.constantFrom(...BRANCHES), general, general, fc.integer({ min: 1, max: 12 }))
    .map(([name, a, b, by]): Item => ({ kind: "back", name, a, b, by })),
  fc.integer({ min: 1, max: 5 }).map((skip): Item => ({ kind: "call", skip })),
  fc
    .tuple(fc.nat(), fc.integer({ min: 0, max: 2047 }))
    .map(([at, imm]): Item => ({ kind: "patch", at, imm })),
);

/** Each item becomes four words, so that distances between items are known. */
const ITEM_WORDS = 4;
const NOP = encode("addi", {});

function assembleItem(it: Item, index: number, count: number): number[] {
  const bytes = (items: number) => items * ITEM_WORDS * 4;
  switch (it.kind) {
    case "plain":
      return [it.word, NOP, NOP, NOP];
    case "forward": {
      const skip = Math.min(it.skip, count - index);
      return [encode(it.name, { rs1: it.a, rs2: it.b, imm: bytes(skip) }), NOP, NOP, NOP];
    }
    case "back": {
      const by = Math.min(it.by, index);
      // Fuel runs out, so that every loop ends.
      return [
        encode("addi", { rd: FUEL, rs1: FUEL, imm: -1 }),
        encode("blt", { rs1: FUEL, rs2: 0, imm: 12 }),
        encode(it.name, { rs1: it.a, rs2: it.b, imm: -bytes(by) - 8 }),
        NOP,
      ];
    }
    case "call": {
      // A leaf of one instruction between the call and its target: out and back by ra.
      const skip = Math.min(it.skip, count - index);
      return [
        encode("jal", { rd: 1, imm: 8 }),
        encode("jal", { rd: 0, imm: bytes(skip) - 4 }),
        encode("addi", { rd: SUM, rs1: SUM, imm: skip }),
        encode("jalr", { rd: 0, rs1: 1, imm: 0 }),
      ];
    }
    case "patch": {
      // Rewrites the spare word at the end of some item: new code without a FENCE.I.
      const word = encode("addi", { rd: SUM, rs1: SUM, imm: it.imm });
      const low = ((word & 0xfff) << 20) >> 20;
      const upper = (word - low) | 0;
      const place = ((it.at % count) * ITEM_WORDS + 3) * 4;
      return [
        encode("lui", { rd: SCRATCH, imm: upper }),
        encode("addi", { rd: SCRATCH, rs1: SCRATCH, imm: low }),
        encode("sw", { rs2: SCRATCH, rs1: CODE_BASE, imm: place - 2048 }),
        NOP,
      ];
    }
  }
}

/** Skips the faulting instruction and mixes cause, value and address into a sum. */
const HANDLER_WORDS = [
  encode("csrrs", { rd: SCRATCH, csr: 0x342 }),
  encode("add", { rd: SUM, rs1: SUM, rs2: SCRATCH }),
  encode("csrrs", { rd: SCRATCH, csr: 0x343 }),
  encode("xor", { rd: SUM, rs1: SUM, rs2: SCRATCH }),
  encode("csrrs", { rd: SCRATCH, csr: 0x341 }),
  encode("add", { rd: SUM, rs1: SUM, rs2: SCRATCH }),
  encode("addi", { rd: SCRATCH, rs1: SCRATCH, imm: 4 }),
  encode("csrrw", { rs1: SCRATCH, csr: 0x341 }),
  encode("mret"),
];

const END = [encode("csrrs", { rd: SCRATCH, csr: 0xb02 }), encode("jal", { imm: 0 })];
const MAX_ITEMS = 30;
const FUEL_START = 40n;

function execute(
  words: readonly number[],
  seeds: readonly bigint[],
  translate: "never" | "eager",
  compiler?: LateCompiler,
) {
  const options = { ramBytes: 0x10_0000, translate, ...(compiler && { compiler }) };
  const { hart, memory, program } = bareMachine(options);
  program(HANDLER, HANDLER_WORDS);
  // Counts instructions from here: the loop at the end turns as often as slices happen to end.
  program(CODE - 4, [encode("csrrw", { csr: 0xb02 }), ...words, ...END]);
  const end = BigInt(CODE + (words.length + 1) * 4);
  const start = () => {
    hart.setX(5, BigInt(HANDLER));
    for (const [k, seed] of seeds.entries()) hart.setX(5 + k, seed);
    hart.setX(FUEL, FUEL_START);
    hart.setX(DATA_BASE, BigInt(DATA));
    hart.setX(CODE_BASE, BigInt(CODE + 2048));
    hart.setX(SUM, 0n);
  };
  // mtvec first, by two instructions of its own.
  hart.setX(5, BigInt(HANDLER));
  program(RAM, [encode("csrrw", { rs1: 5, csr: 0x305 }), encode("jal", { imm: 0x0ffc })]);
  hart.step(2);
  // Twice: the second time over code that the first has left translated, or changed.
  const results: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    start();
    hart.setPc(BigInt(CODE - 4));
    for (let k = 0; k < 20_000 && hart.pc() !== end; k++) {
      hart.run(5);
      compiler?.turn();
    }
    const registers = Array.from({ length: 32 }, (_, index) => hart.getX(index));
    results.push({
      pc: hart.pc(),
      registers,
      data: memory.view(DATA, 512)?.slice(),
      instret: hart.getX(SCRATCH),
    });
  }
  return { results, translation: hart.translation };
}

describe("interpreter and translator", () => {
  // Answers come at once, or some runs later, when what was translated may have changed.
  test.each([0, 1, 7])(
    "agree on random programs, compiled %i runs later",
    (turns) => {
      let compiled = 0;
      fc.assert(
        fc.property(
          fc.array(item, { minLength: 3, maxLength: MAX_ITEMS }),
          fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 11, maxLength: 11 }),
          (items, seeds) => {
            const words = items.flatMap((it, k) => assembleItem(it, k, items.length));
            const expected = execute(words, seeds, "never");
            const compiler = turns === 0 ? undefined : new LateCompiler(turns);
            const actual = execute(words, seeds, "eager", compiler);
            expect(actual.results).toEqual(expected.results);
            compiled += actual.translation?.compiled ?? 0;
          },
        ),
        { numRuns: 60 },
      );
      expect(compiled).toBeGreaterThan(30);
    },
    120_000,
  );
});
