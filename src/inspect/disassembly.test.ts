import { describe, expect, it } from "vitest";
import { bareMachine } from "../cpu/testing/bare-machine.ts";
import { encode } from "../isa/assembler.ts";
import { Machine } from "../machine/machine.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { codeAround } from "./disassembly.ts";
import { translationState } from "./hart-state.ts";
import { symbolsOf } from "./symbols.ts";
import { VirtualMemory } from "./virtual-memory.ts";

const RAM = 0x8000_0000;
const clock = { nowMs: () => 0, wallClockMs: () => 0 };

function lines(words: readonly number[], at: number, before: number, after: number, map?: string) {
  const machine = bareMachine({ translate: "never" });
  machine.program(RAM, words);
  const hart = new FakeHartModel();
  const empty = new Machine({ hart, clock, entropy: () => {}, ramBytes: 32 << 20 });
  const symbols = symbolsOf({ machine: empty, clock });
  if (map !== undefined) symbols.add("map", new TextEncoder().encode(map));
  const memory = new VirtualMemory(machine.memory, translationState(machine.hart));
  return codeAround(memory, symbols, BigInt(at), before, after);
}
const text = (word: number) => lines([word], RAM, 0, 0)[0].text;

describe("a disassembly", () => {
  it("writes pseudoinstructions, and CSRs by name", () => {
    expect(text(encode("addi", {}))).toBe("nop");
    expect(text(encode("addi", { rd: 10, rs1: 0, imm: -5 }))).toBe("li a0, -5");
    expect(text(encode("addi", { rd: 10, rs1: 11, imm: 0 }))).toBe("mv a0, a1");
    expect(text(encode("jalr", { rd: 0, rs1: 1, imm: 0 }))).toBe("ret");
    expect(text(encode("jalr", { rd: 0, rs1: 5, imm: 0 }))).toBe("jr t0");
    expect(text(encode("jalr", { rd: 1, rs1: 5, imm: 8 }))).toBe("jalr ra, 8(t0)");
    expect(text(encode("jal", { rd: 0, imm: 8 }))).toBe("j 0x80000008");
    expect(text(encode("beq", { rs1: 10, rs2: 0, imm: 8 }))).toBe("beqz a0, 0x80000008");
    expect(text(encode("blt", { rs1: 0, rs2: 10, imm: 8 }))).toBe("bgtz a0, 0x80000008");
    expect(text(encode("csrrs", { rd: 10, csr: 0x180, rs1: 0 }))).toBe("csrr a0, satp");
    expect(text(encode("csrrw", { rd: 0, csr: 0x105, rs1: 10 }))).toBe("csrw stvec, a0");
    expect(text(encode("csrrw", { rd: 4, csr: 0x140, rs1: 4 }))).toBe("csrrw tp, sscratch, tp");
    expect(text(encode("sub", { rd: 10, rs1: 0, rs2: 11 }))).toBe("neg a0, a1");
  });

  it("goes back to where instructions begin", () => {
    // c.nop twice, then one of four bytes whose second half looks like c.nop too.
    const words = [
      0x0001_0001,
      encode("lui", { rd: 0, imm: 0x1_0000 }),
      encode("jal", { rd: 0, imm: 0 }),
    ];
    const seen = lines(words, RAM + 8, 8, 0, "80000000 T start\n");
    expect(seen.map(({ address }) => Number(address) - RAM)).toEqual([0, 2, 4, 8]);
    expect(seen[0].label).toBe("start");
    expect(seen[3]).toMatchObject({ target: BigInt(RAM + 8), targetText: "start+0x8" });
    expect(
      lines(words, RAM + 8, 2, 0)
        .map(({ address }) => Number(address) - RAM)
        .at(-1),
    ).toBe(8);
  });

  it("names the address that auipc begins", () => {
    const words = [
      encode("auipc", { rd: 1, imm: 0x1000 }),
      encode("jalr", { rd: 1, rs1: 1, imm: 16 }),
    ];
    const [, call] = lines(words, RAM, 0, 1, "80001010 T far\n");
    expect(call.targetText).toBe("far");
  });

  it("says where nothing can be read", () => {
    expect(lines([], 0x1000, 4, 4)).toEqual([
      { address: 0x1000n, length: 0, bits: 0, text: "not readable" },
    ]);
  });
});
