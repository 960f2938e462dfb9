/** Instructions as programmers write them: the pseudoinstructions of the assembly manual. */
import type { Decoded } from "../isa/decoder.ts";
import { type CsrNames, csrText, fName, targetText, xName } from "../isa/disassembler.ts";

/** Text for a decoded instruction, or undefined where it does not apply. */
type Rule = (d: Decoded, where: Where) => string | undefined;

interface Where {
  readonly pc: bigint;
  readonly csrName: CsrNames;
}

const ZERO = 0;
const RA = 1;

const target = (d: Decoded, { pc }: Where): string => targetText(d, pc);
const csr = (d: Decoded, { csrName }: Where): string => csrText(d, csrName);

const addi: Rule = ({ rd, rs1, imm }) => {
  if (rd === ZERO && rs1 === ZERO && imm === 0) return "nop";
  if (rs1 === ZERO) return `li ${xName(rd)}, ${imm}`;
  return imm === 0 ? `mv ${xName(rd)}, ${xName(rs1)}` : undefined;
};

const jalr: Rule = ({ rd, rs1, imm }) => {
  if (imm !== 0 || rd > RA) return undefined;
  if (rd === RA) return `jalr ${xName(rs1)}`;
  return rs1 === RA ? "ret" : `jr ${xName(rs1)}`;
};

const jal: Rule = (d, where) => {
  if (d.rd === ZERO) return `j ${target(d, where)}`;
  return d.rd === RA ? `jal ${target(d, where)}` : undefined;
};

/** A unary operation: the row with one operand fixed. */
const unary =
  (name: string, applies: (d: Decoded) => boolean, source: "rs1" | "rs2" = "rs1"): Rule =>
  (d) =>
    applies(d) ? `${name} ${xName(d.rd)}, ${xName(d[source])}` : undefined;

/** A branch that compares with zero on the right, or on the left. */
const branch =
  (right: string, left?: string): Rule =>
  (d, where) => {
    if (d.rs2 === ZERO) return `${right} ${xName(d.rs1)}, ${target(d, where)}`;
    if (d.rs1 !== ZERO || left === undefined) return undefined;
    return `${left} ${xName(d.rs2)}, ${target(d, where)}`;
  };

/** A CSR access that does not read, or (`read`) does not write. */
const csrAccess =
  (write: string, isImmediate: boolean, read?: string): Rule =>
  (d, where) => {
    if (read !== undefined && d.rs1 === ZERO) return `${read} ${xName(d.rd)}, ${csr(d, where)}`;
    if (d.rd !== ZERO) return undefined;
    return `${write} ${csr(d, where)}, ${isImmediate ? d.rs1 : xName(d.rs1)}`;
  };

/** Sign injection of a register into itself. */
const sign =
  (name: string): Rule =>
  ({ rd, rs1, rs2 }) =>
    rs1 === rs2 ? `${name} ${fName(rd)}, ${fName(rs1)}` : undefined;

const RULES: Readonly<Record<string, Rule>> = {
  addi,
  jalr,
  jal,
  add: unary("mv", ({ rs1 }) => rs1 === ZERO, "rs2"),
  addiw: unary("sext.w", ({ imm }) => imm === 0),
  xori: unary("not", ({ imm }) => imm === -1),
  sltiu: unary("seqz", ({ imm }) => imm === 1),
  andi: unary("zext.b", ({ imm }) => imm === 255),
  sub: unary("neg", ({ rs1 }) => rs1 === ZERO, "rs2"),
  subw: unary("negw", ({ rs1 }) => rs1 === ZERO, "rs2"),
  sltu: unary("snez", ({ rs1 }) => rs1 === ZERO, "rs2"),
  slt: unary("sgtz", ({ rs1 }) => rs1 === ZERO, "rs2"),
  beq: branch("beqz"),
  bne: branch("bnez"),
  blt: branch("bltz", "bgtz"),
  bge: branch("bgez", "blez"),
  csrrw: csrAccess("csrw", false),
  csrrs: csrAccess("csrs", false, "csrr"),
  csrrc: csrAccess("csrc", false),
  csrrwi: csrAccess("csrwi", true),
  csrrsi: csrAccess("csrsi", true),
  csrrci: csrAccess("csrci", true),
  "fsgnj.s": sign("fmv.s"),
  "fsgnj.d": sign("fmv.d"),
  "fsgnjn.s": sign("fneg.s"),
  "fsgnjn.d": sign("fneg.d"),
  "fsgnjx.s": sign("fabs.s"),
  "fsgnjx.d": sign("fabs.d"),
};

/** The pseudoinstruction that a decoded instruction at `pc` is; undefined if it is none. */
export const pseudoOf = (d: Decoded, pc: bigint, csrName: CsrNames): string | undefined =>
  RULES[d.row?.name ?? ""]?.(d, { pc, csrName });
