/** Instructions as text, from the table's names and syntaxes. */
import { type Decoded, decode, newDecoded } from "./decoder.ts";
import { hasField } from "./table.ts";

const X_NAMES = (
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 " +
  "s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
).split(" ");
const F_NAMES = (
  "ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 " +
  "fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11"
).split(" ");
const RM_NAMES = ["rne", "rtz", "rdn", "rup", "rmm"];

/** ABI names of the integer and floating-point registers. */
export const xName = (index: number): string => X_NAMES[index];
export const fName = (index: number): string => F_NAMES[index];

const PC_RELATIVE = new Set(["jal", "beq", "bne", "blt", "bge", "bltu", "bgeu"]);

/** A CSR's name, if it has one. */
export type CsrNames = (number: number) => string | undefined;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

function operandText(d: Decoded, operand: string, pc: bigint, csrName: CsrNames): string {
  const slots = { d: d.rd, s1: d.rs1, s2: d.rs2, s3: d.rs3 } as const;
  const register = /^([rf])(d|s[123])$/.exec(operand);
  if (register !== null) {
    const index = slots[register[2] as keyof typeof slots];
    return register[1] === "r" ? xName(index) : fName(index);
  }
  if (operand === "zimm") return String(d.rs1);
  if (operand === "csr") return csrText(d, csrName);
  const name = d.row?.name ?? "";
  if (PC_RELATIVE.has(name)) return targetText(d, pc);
  if (name === "lui" || name === "auipc") return hex(d.imm >>> 12);
  return String(d.imm);
}

/** Where a jump or branch at `pc` leads, if the instruction itself says so. */
export const targetOf = (d: Decoded, pc: bigint): bigint | undefined =>
  PC_RELATIVE.has(d.row?.name ?? "") ? BigInt.asUintN(64, pc + BigInt(d.imm)) : undefined;

/** The operands of those, and of instructions that access a CSR. */
export const targetText = (d: Decoded, pc: bigint): string => hex(targetOf(d, pc) ?? 0n);
export const csrText = (d: Decoded, csrName: CsrNames): string => csrName(d.imm) ?? hex(d.imm);

/** One instruction at `pc`; an illegal one as `.2byte` or `.4byte`. Names are the base rows'. */
export function disassemble(bits: number, pc = 0n): string {
  const d = newDecoded();
  decode(bits, d);
  return textOf(d, bits, pc, () => undefined);
}

/** The same of `bits` that have been decoded. */
export function textOf(d: Decoded, bits: number, pc: bigint, csrName: CsrNames): string {
  if (d.row === undefined) {
    const value = d.length === 2 ? bits & 0xffff : bits >>> 0;
    return `.${d.length}byte 0x${value.toString(16)}`;
  }
  const operands = d.row.syntax.replace(/\w+/g, (operand) => operandText(d, operand, pc, csrName));
  const rounding = hasField(d.row, "rm") && d.rm !== 7 ? `, ${RM_NAMES[d.rm]}` : "";
  return `${d.row.name} ${operands}${rounding}`.trim();
}
