import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bareMachine } from "../cpu/testing/bare-machine.ts";
import { encode } from "../isa/assembler.ts";
import { Machine } from "../machine/machine.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { callStack } from "./call-stack.ts";
import { translationState } from "./hart-state.ts";
import { symbolsOf } from "./symbols.ts";
import { VirtualMemory } from "./virtual-memory.ts";

const RAM = 0x8000_0000;
const STACK = 0x8008_0000;
const [RA, SP, S0] = [1, 2, 8];
const MAP = `80000000 T outer
80000040 T middle
80000080 T leaf
800000c0 T handle_exception
800000e0 T ret_from_exception_end
80000100 t end
`;
/** Behind the last symbol: nothing is known of what is there. */
const UNKNOWN = 0x8020_0000;

const clock = { nowMs: () => 0, wallClockMs: () => 0 };
/** Symbols of a machine that knows no more than those. */
function symbols() {
  const hart = new FakeHartModel();
  const machine = new Machine({ hart, clock, entropy: () => {}, ramBytes: 32 << 20 });
  const names = symbolsOf({ machine, clock });
  names.add("map", new TextEncoder().encode(MAP));
  return names;
}

const RET = encode("jalr", { rd: 0, rs1: RA, imm: 0 });
const CALL = encode("jal", { rd: RA, imm: 0 });

function create() {
  const machine = bareMachine({ ramBytes: 0x40_0000, translate: "never" });
  const { hart, memory } = machine;
  // A frame of 32 bytes as compilers make it, with and without a frame pointer.
  const frame = [
    encode("addi", { rd: SP, rs1: SP, imm: -32 }),
    encode("sd", { rs1: SP, rs2: RA, imm: 24 }),
    encode("sd", { rs1: SP, rs2: S0, imm: 16 }),
  ];
  const pointer = encode("addi", { rd: S0, rs1: SP, imm: 32 });
  const end = [
    encode("ld", { rd: RA, rs1: SP, imm: 24 }),
    encode("addi", { rd: SP, rs1: SP, imm: 32 }),
    RET,
  ];
  machine.program(RAM, [...frame, pointer, CALL, ...end]);
  machine.program(RAM + 0x40, [...frame, CALL, ...end]);
  machine.program(RAM + 0x80, [encode("addi", {}), RET]);
  machine.program(RAM + 0xc0, [CALL, RET]);
  machine.program(UNKNOWN, [CALL, RET]);
  const names = symbols();
  const stack = () => {
    const view = new VirtualMemory(memory, translationState(hart));
    return callStack(hart, view, names).map(({ pc, origin }) => [Number(pc) - RAM, origin]);
  };
  const set = (registers: { pc: number; sp?: number; ra?: number; s0?: number }): void => {
    hart.setPc(BigInt(registers.pc));
    hart.setX(SP, BigInt(registers.sp ?? 0));
    hart.setX(RA, BigInt(registers.ra ?? 0));
    hart.setX(S0, BigInt(registers.s0 ?? 0));
  };
  return { machine, memory, stack, set };
}

describe("a call stack", () => {
  it("has the return addresses where prologues saved them", () => {
    const { memory, stack, set } = create();
    // leaf, called by middle, called by outer: s0 is middle's caller's.
    memory.writeU32(STACK + 24, RAM + 0x14);
    memory.writeU32(STACK + 16, STACK + 64);
    memory.writeU32(STACK + 32 + 24, 0);
    const wanted = [
      [0x50, "ra"],
      [0x14, "stack"],
    ];
    set({ pc: RAM + 0x80, sp: STACK, ra: RAM + 0x50, s0: 7 });
    expect(stack()).toEqual([[0x80, "pc"], ...wanted]);
    set({ pc: RAM + 0x50, sp: STACK });
    expect(stack()).toEqual([
      [0x50, "pc"],
      [0x14, "stack"],
    ]);
  });

  it("takes ra before a frame is made, and after it was given back", () => {
    const { stack, set } = create();
    for (const pc of [RAM + 0x40, RAM + 0x58]) {
      set({ pc, sp: STACK, ra: RAM + 0x14, s0: STACK + 32 });
      expect(stack()[1]).toEqual([0x14, "ra"]);
    }
  });

  it("goes by s0 where a function keeps the end of its frame there, or nothing is known of it", () => {
    const { memory, stack, set } = create();
    memory.writeU32(STACK + 256 - 8, RAM + 0x50);
    // sp is further down than the prologue put it.
    set({ pc: RAM + 0x10, sp: STACK, s0: STACK + 256 });
    expect(stack()[1]).toEqual([0x50, "stack"]);
    set({ pc: UNKNOWN, sp: STACK, s0: STACK + 256 });
    expect(stack()[1]).toEqual([0x50, "pointer"]);
  });

  it("goes on with what a trap has interrupted", () => {
    const { memory, stack, set } = create();
    const registers = STACK + 32;
    memory.writeU32(STACK + 24, RAM + 0xc4);
    for (const [at, value] of [
      [0, RAM + 0x84],
      [8, RAM + 0x50],
      [16, STACK + 0x200],
    ] as const) {
      memory.writeU32(registers + at, value);
    }
    memory.writeU32(STACK + 0x200 + 24, RAM + 0x14);
    set({ pc: RAM + 0x50, sp: STACK });
    expect(stack().slice(0, 5)).toEqual([
      [0x50, "pc"],
      [0xc4, "stack"],
      [0x84, "trap"],
      [0x50, "ra"],
      [0x14, "stack"],
    ]);
  });

  it("ends where frames lead in a circle", () => {
    const { memory, stack, set } = create();
    for (let at = STACK; at < STACK + 0x2000; at += 8) memory.writeU32(at, RAM + 0x50);
    set({ pc: RAM + 0x50, sp: STACK });
    expect(stack()).toHaveLength(64);
  });

  it("comes to an end whatever registers and memory say", () => {
    const { machine, stack, set } = create();
    const { hart } = machine;
    set({ pc: RAM });
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.nat(0x1000).map((k) => BigInt(STACK + 8 * k)),
      fc.nat(0x40).map((k) => BigInt(RAM + 4 * k)),
    );
    fc.assert(
      fc.property(word, word, word, fc.array(word, { maxLength: 40 }), (pc, sp, s0, words) => {
        hart.setPc(pc);
        hart.setX(SP, sp);
        hart.setX(S0, s0);
        const view = machine.memory.writable(STACK, 8 * words.length)!;
        const data = new DataView(view.buffer, view.byteOffset);
        for (const [k, value] of words.entries()) data.setBigUint64(8 * k, value, true);
        expect(stack().length).toBeLessThanOrEqual(64);
      }),
      { numRuns: 200 },
    );
  });
});
