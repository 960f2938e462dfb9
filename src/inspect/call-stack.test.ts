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
const SP = 2;
const S0 = 8;
const RA = 1;
const MAP = `80000000 T main
80000040 T middle
80000080 T leaf
800000c0 T bare
`;

const clock = { nowMs: () => 0, wallClockMs: () => 0 };
/** Symbols of a machine that knows no more than those. */
function symbols() {
  const hart = new FakeHartModel();
  const machine = new Machine({ hart, clock, entropy: () => {}, ramBytes: 32 << 20 });
  const names = symbolsOf({ machine, clock });
  names.add("map", new TextEncoder().encode(MAP));
  return names;
}

function create() {
  const machine = bareMachine({ translate: "never" });
  const { hart, memory } = machine;
  const prologue = [
    encode("addi", { rd: SP, rs1: SP, imm: -32 }),
    encode("sd", { rs1: SP, rs2: RA, imm: 24 }),
    encode("sd", { rs1: SP, rs2: S0, imm: 16 }),
    encode("addi", { rd: S0, rs1: SP, imm: 32 }),
  ];
  for (const at of [0, 0x40, 0x80]) machine.program(RAM + at, prologue);
  const frame = (at: number, ra: number, saved: number): void => {
    memory.writeU32(at - 8, ra);
    memory.writeU32(at - 16, saved);
  };
  const stack = () => {
    const view = new VirtualMemory(memory, translationState(hart));
    return callStack(hart, view, symbols()).map(({ pc, origin }) => [Number(pc) - RAM, origin]);
  };
  return { machine, hart, memory, frame, stack };
}

describe("a call stack", () => {
  it("follows frame pointers to the outermost function", () => {
    const { hart, frame, stack } = create();
    hart.setPc(BigInt(RAM + 0x94));
    hart.setX(SP, BigInt(STACK - 32));
    hart.setX(S0, BigInt(STACK));
    frame(STACK, RAM + 0x54, STACK + 64);
    frame(STACK + 64, RAM + 0x14, 0);
    expect(stack()).toEqual([
      [0x94, "pc"],
      [0x54, "frame"],
      [0x14, "frame"],
    ]);
  });

  it("takes ra before a function has made its frame, and in a leaf", () => {
    const { hart, frame, stack } = create();
    hart.setPc(BigInt(RAM + 0x84));
    hart.setX(RA, BigInt(RAM + 0x54));
    hart.setX(SP, BigInt(STACK - 32));
    hart.setX(S0, BigInt(STACK));
    frame(STACK, RAM + 0x14, 0);
    const wanted = [
      [0x54, "ra"],
      [0x14, "frame"],
    ];
    expect(stack().slice(1)).toEqual(wanted);
    hart.setPc(BigInt(RAM + 0xc4));
    expect(stack().slice(1)).toEqual(wanted);
    // A leaf keeps the caller's s0 where others have ra.
    hart.setPc(BigInt(RAM + 0x94));
    hart.setX(S0, BigInt(STACK));
    frame(STACK, STACK + 32, 0);
    frame(STACK + 32, RAM + 0x14, 0);
    expect(stack().slice(1)).toEqual(wanted);
  });

  it("ends where frames lead in a circle", () => {
    const { hart, frame, stack } = create();
    hart.setPc(BigInt(RAM + 0x94));
    hart.setX(SP, BigInt(STACK - 32));
    hart.setX(S0, BigInt(STACK));
    frame(STACK, RAM + 0x54, STACK + 64);
    frame(STACK + 64, RAM + 0x54, STACK);
    expect(stack().length).toBeLessThan(6);
    frame(STACK, RAM + 0x54, STACK);
    expect(stack().length).toBeLessThan(6);
  });

  it("comes to an end whatever registers and memory say", () => {
    const { machine, hart, stack } = create();
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
