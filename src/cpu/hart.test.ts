import { describe, expect, test } from "vitest";
import { encode } from "../isa/assembler.ts";
import { buildInterpreter } from "./interpreter.ts";
import { bareMachine } from "./testing/bare-machine.ts";

const RAM = 0x8000_0000;

describe("hart", () => {
  test("runs straight code and a loop", () => {
    const { hart, program } = bareMachine();
    program(RAM, [
      encode("addi", { rd: 5, imm: 100 }),
      encode("addi", { rd: 6, imm: 0 }),
      encode("add", { rd: 6, rs1: 6, rs2: 5 }),
      encode("addi", { rd: 5, rs1: 5, imm: -1 }),
      encode("bne", { rs1: 5, rs2: 0, imm: -8 }),
      encode("jal", { imm: 0 }),
    ]);
    expect(hart.step(302)).toBe("budget");
    expect(hart.getX(6)).toBe(5050n);
    expect(hart.pc()).toBe(BigInt(RAM + 20));
    expect(hart.instructionCount()).toBe(302);
    expect(hart.run(1000)).toBe("budget");
    expect(hart.instructionCount()).toBe(1302);
    expect(hart.peekCsr(0xb02)).toBe(1302n);
  });

  test("an ecall traps to mtvec with the cause and returns by mret", () => {
    const { hart, program } = bareMachine();
    program(RAM, [
      encode("auipc", { rd: 5, imm: 0 }),
      encode("addi", { rd: 5, rs1: 5, imm: 0x100 }),
      encode("csrrw", { rs1: 5, csr: 0x305 }),
      encode("ecall"),
      encode("addi", { rd: 7, imm: 7 }),
      encode("jal", { imm: 0 }),
    ]);
    program(RAM + 0x100, [
      encode("csrrs", { rd: 8, csr: 0x342 }),
      encode("csrrs", { rd: 9, csr: 0x341 }),
      encode("addi", { rd: 9, rs1: 9, imm: 4 }),
      encode("csrrw", { rs1: 9, csr: 0x341 }),
      encode("mret"),
    ]);
    hart.run(100);
    expect(hart.getX(8)).toBe(11n);
    expect(hart.getX(7)).toBe(7n);
  });

  test.each([
    ["S", 1],
    ["M", 0],
  ] as const)("started in %s-mode, %i calls from S-mode are answered", (mode, answered) => {
    let calls = 0;
    const { hart, program } = bareMachine({ ecall: { ecall: () => void calls++ } });
    // In M-mode: everything allowed by PMP, and down to S-mode after the third instruction.
    const toSupervisor = [
      encode("csrrw", { rs1: 10, csr: 0x3b0 }),
      encode("csrrwi", { zimm: 0x1f, csr: 0x3a0 }),
      encode("csrrw", { rs1: 11, csr: 0x300 }),
      encode("csrrw", { rs1: 12, csr: 0x341 }),
      encode("mret"),
    ];
    program(RAM, mode === "M" ? toSupervisor : []);
    program(RAM + 0x40, [encode("ecall"), encode("jal", { imm: 0 })]);
    hart.reset({ pc: mode === "M" ? RAM : RAM + 0x40, mode, a0: 0, a1: 0 });
    hart.setX(10, -1n);
    hart.setX(11, 1n << 11n);
    hart.setX(12, BigInt(RAM + 0x40));
    hart.run(50);
    expect(calls).toBe(answered);
    if (mode === "M") expect(hart.peekCsr(0x342)).toBe(1n);
  });

  test("counters are right between runs too", () => {
    const [MINSTRET, MCYCLE] = [0xb02, 0xb00];
    const { hart, program } = bareMachine();
    const counted = () => [hart.peekCsr(MINSTRET), hart.peekCsr(MCYCLE)];
    program(RAM, [...Array(20).fill(encode("addi", { rd: 5, rs1: 5, imm: 1 })), encode("ebreak")]);
    expect(counted()).toEqual([0n, 0n]);
    hart.step(3);
    expect(counted()).toEqual([3n, 3n]);
    hart.debug.pokeCsr(MINSTRET, 100n);
    expect(counted()).toEqual([100n, 3n]);
    hart.step(2);
    hart.debug.pokeCsr(MCYCLE, 7n);
    expect(counted()).toEqual([102n, 7n]);
    hart.run(1000);
    hart.reset({ pc: RAM, mode: "M", a0: 0, a1: 0 });
    expect(counted()).toEqual([0n, 0n]);
  });

  test("an access that is not aligned is looked up in the TLB, and walks no tables again", () => {
    const { hart, program } = bareMachine();
    program(RAM, [
      encode("auipc", { rd: 5, imm: 0x1000 }),
      encode("addi", { rd: 5, rs1: 5, imm: 0x7f9 }),
      encode("addi", { rd: 6, imm: 100 }),
      encode("ld", { rd: 7, rs1: 5, imm: 0 }),
      encode("addi", { rd: 7, rs1: 7, imm: 1 }),
      encode("sd", { rs1: 5, rs2: 7, imm: 0 }),
      encode("addi", { rd: 6, rs1: 6, imm: -1 }),
      encode("bne", { rs1: 6, rs2: 0, imm: -16 }),
      encode("jal", { imm: 0 }),
    ]);
    hart.step(10);
    const { fills } = hart.tlb();
    hart.run(1000);
    expect(hart.getX(6)).toBe(0n);
    expect(hart.tlb().fills).toBe(fills);
    expect(hart.getX(7)).toBe(100n);
  });

  test.each([5, 2048, 3000])("a flush forgets all of %i pages, and the count goes on", (pages) => {
    const { hart, program } = bareMachine({ ramBytes: 16 << 20 });
    program(RAM, [
      encode("auipc", { rd: 5, imm: 0 }),
      encode("lui", { rd: 6, imm: 0x1000 }),
      encode("add", { rd: 5, rs1: 5, rs2: 6 }),
      encode("ld", { rd: 7, rs1: 5, imm: 0 }),
      encode("addi", { rd: 8, rs1: 8, imm: -1 }),
      encode("bne", { rs1: 8, rs2: 0, imm: -12 }),
      encode("jal", { imm: 0 }),
    ]);
    hart.setX(8, BigInt(pages));
    const used = () =>
      hart
        .tlb()
        .contexts.reduce((sum, { read, write, execute }) => sum + read + write + execute, 0);
    const before = hart.tlb();
    hart.run(2 + 4 * pages);
    expect(used()).toBe(1 + Math.min(pages, before.entries));
    expect(hart.tlb().fills).toBe(1 + pages);
    hart.flushTlb();
    expect(used()).toBe(0);
    expect(hart.tlb()).toMatchObject({ fills: 1 + pages, flushes: before.flushes + 1 });
    hart.run(2);
    expect(hart.tlb().fills).toBe(2 + pages);
  });

  test("a debugger can change the mode", () => {
    const { hart, program } = bareMachine();
    const readStatus = encode("csrrs", { rd: 5, csr: 0x300 });
    program(RAM, [readStatus, readStatus]);
    hart.step(1);
    expect([hart.pc(), hart.mode()]).toEqual([BigInt(RAM + 4), "M"]);
    // Without PMP entries nothing else than M-mode may fetch anything.
    hart.debug.setMode("U");
    hart.step(1);
    expect([hart.peekCsr(0x342), hart.peekCsr(0x341)]).toEqual([1n, BigInt(RAM + 4)]);
    hart.reset({ pc: RAM, mode: "S", a0: 0, a1: 0 });
    hart.step(1);
    expect(hart.peekCsr(0x142)).toBe(2n);
    hart.debug.setPc(BigInt(RAM));
    hart.debug.setMode("M");
    hart.step(1);
    expect(hart.pc()).toBe(BigInt(RAM + 4));
  });

  test("a program in shared memory", () => {
    const { hart, program } = bareMachine({ shared: true });
    program(RAM, [encode("addi", { rd: 5, imm: -1 }), encode("jal", { imm: 0 })]);
    hart.run(10);
    expect(hart.getX(5)).toBe(2n ** 64n - 1n);
  });

  test("one compiled interpreter runs harts whose RAM differs", () => {
    const interpreter = new WebAssembly.Module(buildInterpreter({ shared: false, exact: false }));
    const ends = encode("jal", { imm: 0 });
    const program = [
      encode("auipc", { rd: 5, imm: 0 }),
      encode("addi", { rd: 6, rs1: 5, imm: 24 }),
      encode("csrrw", { rs1: 6, csr: 0x305 }),
      encode("lui", { rd: 6, imm: 0x1_0000 }),
      encode("add", { rd: 5, rs1: 5, rs2: 6 }),
      encode("sw", { rs1: 5, rs2: 6, imm: 0 }),
      ends,
    ];
    const run = (ramBase: number, ramBytes: number) => {
      const machine = bareMachine({ ramBase, ramBytes, interpreter });
      machine.program(ramBase, program);
      machine.hart.run(100);
      return machine;
    };
    const large = run(2 * RAM, 0x2_0000);
    expect(large.memory.readU32(2 * RAM + 0x1_0000)).toBe(0x1_0000);
    expect(large.hart.peekCsr(0x342)).toBe(0n);
    const small = run(RAM, 0x1_0000);
    expect(small.hart.peekCsr(0x342)).toBe(7n);
    expect(small.hart.peekCsr(0x343)).toBe(BigInt(RAM + 0x1_0000));
  });

  test("a trap loop without a handler ends with the budget", () => {
    const { hart } = bareMachine();
    expect(hart.run(1000)).toBe("budget");
  });
});

describe("hart with the largest RAM", () => {
  test("runs, loads and stores at the end of 2 GiB", () => {
    const { hart, program, memory } = bareMachine({ ramBytes: 0x8000_0000 });
    const at = RAM + 0x7fff_f000;
    program(at, [
      encode("auipc", { rd: 5, imm: 0 }),
      encode("addi", { rd: 6, imm: 0x5a }),
      encode("sd", { rs2: 6, rs1: 5, imm: 0x100 }),
      encode("ld", { rd: 7, rs1: 5, imm: 0x100 }),
      encode("addi", { rd: 7, rs1: 7, imm: 1 }),
      encode("jal", { imm: 0 }),
    ]);
    hart.reset({ pc: at, mode: "M", a0: 0, a1: 0 });
    hart.run(100);
    expect(hart.getX(7)).toBe(0x5bn);
    expect(memory.readU32(at + 0x100)).toBe(0x5a);
  });
});
