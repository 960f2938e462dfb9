/** Assembles small guest programs for tests. */
import { encode, type Operands } from "../../isa/assembler.ts";

export type Instruction = readonly [name: string, operands?: Operands];

/** Register numbers by their names in the calling convention. */
export const T0 = 5;
export const T1 = 6;
export const A0 = 10;
export const A1 = 11;
export const A6 = 16;
export const A7 = 17;

export function assemble(instructions: readonly Instruction[]): Uint8Array {
  const words = instructions.map(([name, operands]) => encode(name, operands));
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** Loads a 32-bit constant. */
export function li(rd: number, value: number): Instruction[] {
  const low = (value << 20) >> 20;
  const high = (value - low) | 0;
  return [
    ["lui", { rd, imm: high }],
    ["addiw", { rd, rs1: rd, imm: low }],
  ];
}

/** Stores a constant of a size to a device register below 2 GiB. */
export function store(name: "sb" | "sh" | "sw", address: number, value: number): Instruction[] {
  return [...li(T0, address), ...li(T1, value), [name, { rs1: T0, rs2: T1, imm: 0 }]];
}

export function print(uart: number, text: string): Instruction[] {
  return [...text].flatMap((char) => store("sb", uart, char.charCodeAt(0)));
}

/** Waits for "data ready" of a UART, and sends the byte back that has come. */
export function echo(uart: number): Instruction[] {
  return [
    ...li(T0, uart),
    ["lbu", { rd: T1, rs1: T0, imm: 5 }],
    ["andi", { rd: T1, rs1: T1, imm: 1 }],
    ["beq", { rs1: T1, rs2: 0, imm: -8 }],
    ["lbu", { rd: T1, rs1: T0, imm: 0 }],
    ["sb", { rs1: T0, rs2: T1, imm: 0 }],
  ];
}

/** Jumps to itself. */
export const HANG: Instruction = ["jal", { rd: 0, imm: 0 }];
