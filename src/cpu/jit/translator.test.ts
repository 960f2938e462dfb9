import { expect, test } from "vitest";
import { TIMEBASE_HZ } from "../../irq/timebase.ts";
import { assemble, type Instruction } from "../../machine/testing/program.ts";
import { bareMachine } from "../testing/bare-machine.ts";

const BASE = 0x8000_0000;
const [T0, T1, T2, T3, T4] = [5, 6, 7, 28, 29];
const CSR = { mstatus: 0x300, pmpcfg0: 0x3a0, pmpaddr0: 0x3b0 };
const MPRV = 1n << 17n;
const ALL_OF_MEMORY = 0x1fn;

test("a region is renewed where data is looked up as where it was made", () => {
  let ticks = 0;
  const { hart, memory } = bareMachine({
    translate: "eager",
    time: () => {
      ticks += TIMEBASE_HZ / 1000;
      return ticks;
    },
  });
  const count = (turns: number): Instruction => ["addi", { rd: T1, rs1: 0, imm: turns }];
  const less: Instruction = ["addi", { rd: T1, rs1: T1, imm: -1 }];
  const again = (imm: number): Instruction => ["bne", { rs1: T1, rs2: 0, imm }];
  const program: Instruction[] = [
    ["csrrw", { rd: 0, rs1: T3, csr: CSR.pmpaddr0 }],
    ["csrrw", { rd: 0, rs1: T4, csr: CSR.pmpcfg0 }],
    // Loads as in U-mode, of what lies across two pages, thirty times.
    ["csrrs", { rd: 0, rs1: T2, csr: CSR.mstatus }],
    count(30),
    ["ld", { rd: T3, rs1: T0, imm: 0 }],
    less,
    again(-8),
    // No loads as in M-mode, for far longer.
    ["csrrc", { rd: 0, rs1: T2, csr: CSR.mstatus }],
    count(2000),
    less,
    again(-4),
    ["jal", { rd: 0, imm: -36 }],
  ];
  memory.write(BASE, assemble(program));
  hart.setX(T0, BigInt(BASE + 0x2ffc));
  hart.setX(T2, MPRV);
  hart.setX(T3, -1n);
  hart.setX(T4, ALL_OF_MEMORY);
  const dropped = () => hart.translation?.dropped;
  for (let k = 0; k < 3000 && dropped()?.replaced === 0; k++) hart.run(1000);
  expect(dropped()).toMatchObject({ replaced: 1, retreating: 0 });
  expect(hart.pc()).toBe(BigInt(BASE + 16));
});
