/** A machine whose guest goes round for ever: a main loop that calls a function with a frame. */
import { buildInterpreter } from "../../cpu/interpreter.ts";
import { encode } from "../../isa/assembler.ts";
import { Machine } from "../../machine/machine.ts";
import { riscvHart } from "../../machine/riscv-hart.ts";
import { elfFile } from "../../machine/testing/elf-file.ts";

export const KERNEL = 0x8020_0000;
/** Where the loop calls, where that returns to, the function, and the call in it. */
export const AT = {
  call: KERNEL + 8,
  back: KERNEL + 12,
  function: KERNEL + 0x40,
  inner: KERNEL + 0x4c,
  leaf: KERNEL + 0x80,
} as const;
export const COUNTER = KERNEL + 0x800;

const [RA, SP, T0, T1] = [1, 2, 5, 6];

const CODE = [
  // s1 = the counter's address; sp below it.
  [0, encode("auipc", { rd: 9, imm: 0 })],
  [4, encode("addi", { rd: SP, rs1: 9, imm: 0x7f0 })],
  [8, encode("jal", { rd: RA, imm: 0x38 })],
  [12, encode("jal", { imm: -4 })],
  [0x40, encode("addi", { rd: SP, rs1: SP, imm: -16 })],
  [0x44, encode("sd", { rs1: SP, rs2: RA, imm: 8 })],
  [0x48, encode("addi", { rd: T0, rs1: T0, imm: 1 })],
  [0x4c, encode("jal", { rd: RA, imm: 0x34 })],
  [0x50, encode("ld", { rd: RA, rs1: SP, imm: 8 })],
  [0x54, encode("addi", { rd: SP, rs1: SP, imm: 16 })],
  [0x58, encode("jalr", { rs1: RA })],
  [0x80, encode("addi", { rd: T1, rs1: 9, imm: 0x7ff })],
  [0x84, encode("sw", { rs1: T1, rs2: T0, imm: 1 })],
  [0x88, encode("jalr", { rs1: RA })],
] as const;

/** Compiled once for all. */
const interpreter = new WebAssembly.Module(buildInterpreter({ shared: false, exact: false }));

export function loopingMachine(): Machine {
  const data = new Uint8Array(0x1000);
  const view = new DataView(data.buffer);
  for (const [at, word] of CODE) view.setUint32(at, word, true);
  const machine = new Machine({
    hart: riscvHart({ interpreter }),
    clock: { nowMs: () => Date.now(), wallClockMs: () => 0 },
    entropy: (bytes) => bytes.fill(1),
    ramBytes: 32 << 20,
  });
  machine.boot({ kernel: elfFile({ address: KERNEL, data, size: data.length }) });
  return machine;
}

/** Runs slices until the machine is held. @throws Error if it is not held soon. */
export function untilHeld(machine: Machine): void {
  for (let k = 0; k < 100; k++) if (machine.runSlice(5) === "held") return;
  throw new Error("nothing has stopped the machine");
}
