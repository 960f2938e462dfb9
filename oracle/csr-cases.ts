/** Cases for the CSR instructions: what each register keeps, and which accesses are illegal. */
import { encode } from "../src/isa/assembler.ts";
import type { Row } from "../src/isa/row.ts";
import { hasField } from "../src/isa/table.ts";
import { Case, type Group, type Mode } from "./cases.ts";
import { CSR } from "./csr-names.ts";
import { differsByDesign } from "./exclusions.ts";
import type { Random } from "./random.ts";
import { integer } from "./values.ts";

const ALL = (1n << 64n) - 1n;

/** What may be written to a CSR, and which of its bits are architecture and not choice. */
interface CsrRule {
  readonly name: string;
  /** Bits of a written value; others are written as zero. */
  readonly write: bigint;
  /** Bits that are compared after a read. */
  readonly compare: bigint;
}

const rule = (name: string, write = ALL, compare = write): CsrRule => ({ name, write, compare });

const INTERRUPTS_S = 0x222n;
const INTERRUPTS_M = 0xaaan;
const EXCEPTIONS = 0xb3ffn;
/** Causes that exist: larger codes need not be kept by a WLRL register. */
const CAUSES = (1n << 63n) | 7n;
/** MPP is left alone: one of its four values is reserved. So is VS, which QEMU keeps without V. */
const STATUS = 0x7e_61aan;

/** Registers whose contents the specification determines once a legal value is written. */
const RULES: readonly CsrRule[] = [
  rule("fflags"),
  rule("frm"),
  rule("fcsr"),
  rule("mscratch"),
  rule("sscratch"),
  rule("mepc", ALL & ~1n),
  rule("sepc", ALL & ~1n),
  rule("mcause", CAUSES),
  rule("scause", CAUSES),
  rule("mtval"),
  rule("stval"),
  rule("mtvec", ALL & ~2n),
  rule("stvec", ALL & ~2n),
  rule("medeleg", EXCEPTIONS, EXCEPTIONS),
  rule("mideleg", ALL, INTERRUPTS_S),
  rule("mie", INTERRUPTS_M),
  rule("sie", INTERRUPTS_M),
  rule("mip", INTERRUPTS_S),
  rule("sip", INTERRUPTS_S),
  rule("mstatus", STATUS, STATUS | (3n << 32n) | (3n << 34n) | (1n << 63n)),
  rule("sstatus", STATUS, STATUS | (3n << 32n) | (1n << 63n)),
  rule("satp", (1n << 63n) | ((1n << 44n) - 1n), ALL),
  rule("mcounteren", 7n),
  rule("scounteren", 7n),
  rule("misa", ALL, (3n << 62n) | 0x14_112dn),
  rule("mhartid", ALL, ALL),
  rule("pmpaddr1", (1n << 54n) - 1n),
];

const [CURRENT, AFTER, MASK, WANTED] = [28, 29, 30, 31];

/**
 * A known value is written first, then the instruction runs, then the register is read back. Both
 * reads are reduced to the bits that are compared.
 */
export function csrRowCase(row: Row, random: Random): Case {
  const c = new Case(random);
  const { name, write, compare } = random.pick(RULES);
  const csr = CSR[name];
  c.setStatus("M", 3n);
  c.setFcsr(random.below(5), random.below(32));
  const rd = random.below(28);
  c.setX(WANTED, integer(random) & write);
  c.setX(MASK, compare);
  const readOnly = csr >>> 10 === 3;
  if (!readOnly && random.chance(80)) {
    c.place(encode("csrrw", { rd: 0, rs1: WANTED, csr }));
  }
  if (hasField(row, "zimm")) {
    const zimm = random.below(32) & Number(write & 31n);
    c.place(encode(row.name, { rd, zimm, csr }));
  } else {
    const rs1 = random.chance(20) ? rd : random.below(28);
    c.setX(rs1, (integer(random) & write) | (readOnly ? 1n : 0n));
    c.place(encode(row.name, { rd, rs1, csr }));
  }
  c.place(encode("csrrs", { rd: AFTER, rs1: 0, csr }));
  c.place(encode("and", { rd, rs1: rd, rs2: MASK }));
  c.place(encode("and", { rd: AFTER, rs1: AFTER, rs2: MASK }));
  return c.finish();
}

/** Reads one CSR and forgets the value: only whether it exists for this mode is compared. */
function existence(csr: number, mode: Mode, random: Random): Case {
  const c = new Case(random);
  c.setStatus(mode, 3n);
  c.place(encode("csrrs", { rd: CURRENT, rs1: 0, csr }));
  c.place(encode("addi", { rd: CURRENT, rs1: 0, imm: 0 }));
  return c.finish();
}

/** All numbers, but for those in the exclusion table. */
const COMPARED = Array.from({ length: 4096 }, (_, csr) => csr).filter(
  (csr) => !differsByDesign(csr),
);

const existenceIn = (mode: Mode): Group => ({
  name: `CSR numbers in ${mode}-mode`,
  count: COMPARED.length,
  make: (index, random) => existence(COMPARED[index], mode, random),
});

/** Registers that may be read but not written; a set or clear with x0 or 0 is no write. */
const readOnlyWrites: Group = {
  name: "writes to read-only CSRs",
  count: 400,
  make(_index, random) {
    const c = new Case(random);
    c.setStatus(random.pick(["M", "M", "S", "U"]), 3n);
    const csr = CSR[random.pick(["mhartid", "mvendorid", "marchid", "mimpid", "cycle", "instret"])];
    const name = random.pick(["csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"]);
    const operand = random.chance(40) ? 0 : random.below(32);
    const field = name.endsWith("i") ? { zimm: operand } : { rs1: operand };
    c.place(encode(name, { rd: CURRENT, csr, ...field }));
    c.place(encode("addi", { rd: CURRENT, rs1: 0, imm: 0 }));
    return c.finish();
  },
};

export const CSR_GROUPS: readonly Group[] = [
  existenceIn("M"),
  existenceIn("S"),
  existenceIn("U"),
  readOnlyWrites,
];
