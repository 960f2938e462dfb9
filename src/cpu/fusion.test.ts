/** Fused instructions against the same ones executed one by one. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encode } from "../isa/assembler.ts";
import { flowOf } from "../isa/flow.ts";
import { fusedPairs } from "./fusion.ts";
import { isInline } from "./handlers.ts";
import { buildInterpreter } from "./interpreter.ts";
import { ENTRY, SLOT } from "./layout.ts";
import { bareMachine } from "./testing/bare-machine.ts";

const PAIRS = fusedPairs();
const RAM = 0x8000_0000;
const BODY = RAM + 0x100;
const DATA = RAM + 0x8000;
const TURNS = 6;
const [CODE, BASE, PATCH, COUNT] = [8, 9, 18, 19];
const WORKING = [10, 11, 12, 13, 14, 15];

const interpreter = new WebAssembly.Module(buildInterpreter({ shared: false, exact: false }));

const register = fc.constantFrom(...WORKING);
const place = fc.nat(15).map((k) => k * 8);
const plain = fc.oneof(
  fc
    .tuple(fc.constantFrom("ld", "lw", "lbu", "lb"), register, place)
    .map(([name, rd, imm]) => encode(name, { rd, rs1: BASE, imm })),
  fc
    .tuple(fc.constantFrom("sd", "sw", "sb"), register, place)
    .map(([name, rs2, imm]) => encode(name, { rs1: BASE, rs2, imm })),
  fc
    .tuple(register, register, fc.integer({ min: -2048, max: 2047 }))
    .map(([rd, rs1, imm]) => encode("addi", { rd, rs1, imm })),
  fc
    .tuple(fc.constantFrom("add", "sub", "or"), register, register, register)
    .map(([name, rd, rs1, rs2]) => encode(name, { rd, rs1, rs2 })),
  fc
    .tuple(register, register, fc.nat(63))
    .map(([rd, rs1, shamt]) => encode("slli", { rd, rs1, shamt })),
  fc.tuple(register, fc.nat(0x7ffff)).map(([rd, high]) => encode("lui", { rd, imm: high << 12 })),
);
/** Writes another instruction over one of the body, which may be the next one or this very one. */
const patch = fc.nat(11).map((k) => encode("sw", { rs1: CODE, rs2: PATCH, imm: k * 4 }));
/** Goes forward by one or two instructions, perhaps into the second one of a pair. */
const skip = fc
  .tuple(register, register, fc.constantFrom(8, 12))
  .map(([rs1, rs2, imm]) => encode("beq", { rs1, rs2, imm }));
const body = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: plain },
    { weight: 1, arbitrary: patch },
    { weight: 2, arbitrary: skip },
  ),
  { minLength: 12, maxLength: 12 },
);

const newMachine = () => bareMachine({ interpreter, translate: "never" });

function load(words: readonly number[], replacement: number, machine = newMachine()) {
  machine.memory.view(DATA, 0x100)?.fill(0x5a);
  // What a branch at the end skips, and the turns.
  machine.program(BODY, [
    ...words,
    encode("addi", {}),
    encode("addi", {}),
    encode("addi", { rd: COUNT, rs1: COUNT, imm: -1 }),
    encode("bne", { rs1: COUNT, imm: -(words.length + 3) * 4 }),
    encode("jal", { imm: 0 }),
  ]);
  const { hart } = machine;
  hart.setX(CODE, BigInt(BODY));
  hart.setX(BASE, BigInt(DATA));
  hart.setX(PATCH, BigInt(replacement));
  hart.setX(COUNT, BigInt(TURNS));
  for (const x of WORKING) hart.setX(x, BigInt(x * 0x1234_5678));
  hart.debug.setPc(BigInt(BODY));
  return machine;
}

const END = BODY + (12 + 4) * 4;

test("pairs do what their instructions do", () => {
  const machines = { fused: newMachine(), single: newMachine() };
  fc.assert(
    fc.property(body, plain, fc.nat(40), (words, replacement, slice) => {
      const fused = load(words, replacement, machines.fused);
      for (let k = 0; k < 2000 && fused.hart.pc() !== BigInt(END); k++) fused.hart.run(slice + 1);
      const single = load(words, replacement, machines.single);
      for (let k = 0; k < 2000 && single.hart.pc() !== BigInt(END); k++) single.hart.debug.step();
      expect(fused.hart.pc()).toBe(BigInt(END));
      expect(single.hart.pc()).toBe(BigInt(END));
      for (let x = 0; x < 32; x++) expect(fused.hart.getX(x)).toBe(single.hart.getX(x));
      expect(fused.memory.view(DATA, 0x100)).toEqual(single.memory.view(DATA, 0x100));
      expect(fused.memory.view(BODY, 64)).toEqual(single.memory.view(BODY, 64));
    }),
    { numRuns: 300 },
  );
});

test("a breakpoint at the second one stops there, and is gone when it is taken back", () => {
  const words = Array.from({ length: 12 }, (_, k) =>
    encode("sd", { rs1: BASE, rs2: 10, imm: k * 8 }),
  );
  const { hart } = load(words, 0);
  hart.run(20);
  const second = BigInt(BODY + 4);
  hart.debug.points.setBreakpoint(second);
  for (let turn = 0; turn < 3; turn++) {
    expect(hart.run(1000)).toBe("debug");
    expect(hart.pc()).toBe(second);
    hart.debug.step();
  }
  hart.debug.points.removeBreakpoint(second);
  expect(hart.run(1000)).toBe("budget");
  expect(hart.pc()).toBe(BigInt(END));
});

test("no pair begins with an instruction that may go elsewhere", () => {
  for (const { first, second } of PAIRS) {
    expect(flowOf(first.row), first.row.name).toBe("next");
    expect(isInline(first.row) && isInline(second.row)).toBe(true);
  }
  expect(new Set(PAIRS.map(({ firstOp, secondOp }) => `${firstOp} ${secondOp}`)).size).toBe(
    PAIRS.length,
  );
});

test("a loop that ran twice has its pairs fused", () => {
  const words = Array.from({ length: 12 }, () => encode("ld", { rd: 10, rs1: BASE }));
  const { hart, memory } = load(words, 0);
  hart.run(100);
  const data = new DataView(memory.view(RAM, 16)?.buffer ?? new ArrayBuffer(0));
  const ops = words.map((_, k) =>
    data.getUint16(SLOT.base + ((BODY - RAM) / 2 + k * 2) * ENTRY.bytes + ENTRY.op, true),
  );
  const pair = PAIRS.find(
    ({ first, second }) => first.row.name === "ld" && first.length === 4 && second === first,
  );
  expect(ops.slice(0, 11)).toEqual(Array(11).fill(pair?.op));
  expect(ops[11]).toBe(pair?.firstOp);
});
