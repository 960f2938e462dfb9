/** RV64I and Zifencei (Unprivileged ISA, chapters 2 to 6), M (chapter 13). */
import { type I32, type I64, i64, letIn } from "../../wasm/expr.ts";
import { type Row, row } from "../row.ts";
import type {
  CacheBlockOperation,
  LoadWidth,
  Semantics,
  StoreWidth,
  Target,
} from "../semantics.ts";
import { type Binary, lowWord, ri, rr, word } from "./integer.ts";

const bool = (value: I32): I64 => i64.extend_i32_u(value);

// Wasm takes 64-bit shift amounts modulo 64, as RISC-V takes the low six bits.
const shlW: Binary = (a, b) => word(i64.shl(a, i64.and(b, 31)));
const shrW: Binary = (a, b) => word(i64.shr_u(lowWord(a), i64.and(b, 31)));
const sarW: Binary = (a, b) => i64.shr_s(word(a), i64.and(b, 31));
const addW: Binary = (a, b) => word(i64.add(a, b));
const subW: Binary = (a, b) => word(i64.sub(a, b));
const slt: Binary = (a, b) => bool(i64.lt_s(a, b));
const sltu: Binary = (a, b) => bool(i64.lt_u(a, b));

const address = (m: Target): I64 => i64.add(m.x("rs1"), m.imm());
const load =
  (width: LoadWidth): Semantics =>
  (m) =>
    m.load(width, address(m), (value) => m.setX(value));
const store =
  (width: StoreWidth): Semantics =>
  (m) =>
    m.store(width, address(m), m.x("rs2"));
const branch =
  (compare: (a: I64, b: I64) => I32): Semantics =>
  (m) =>
    m.branch(compare(m.x("rs1"), m.x("rs2")));

const I = (name: string, pattern: string, syntax: string, semantics: Semantics) =>
  row("i", name, pattern, syntax, semantics);

const r = (name: string, funct7: string, funct3: string, opcode: string, op: Binary) =>
  I(name, `${funct7} rs2 rs1 ${funct3} rd ${opcode}`, "rd, rs1, rs2", rr(op));
const i = (name: string, funct3: string, opcode: string, op: Binary) =>
  I(name, `imm[11:0] rs1 ${funct3} rd ${opcode}`, "rd, rs1, imm", ri(op));
const l = (name: string, funct3: string, width: LoadWidth) =>
  I(name, `imm[11:0] rs1 ${funct3} rd 0000011`, "rd, imm(rs1)", load(width));
const s = (name: string, funct3: string, width: StoreWidth) =>
  I(name, `imm[11:5] rs2 rs1 ${funct3} imm[4:0] 0100011`, "rs2, imm(rs1)", store(width));
const b = (name: string, funct3: string, compare: Parameters<typeof branch>[0]) =>
  I(name, `imm[12|10:5] rs2 rs1 ${funct3} imm[4:1|11] 1100011`, "rs1, rs2, imm", branch(compare));

const BASE: readonly Row[] = [
  I("lui", "imm[31:12] rd 0110111", "rd, imm", (m) => m.setX(m.imm())),
  I("auipc", "imm[31:12] rd 0010111", "rd, imm", (m) => m.setX(i64.add(m.pc(), m.imm()))),
  I("jal", "imm[20|10:1|11|19:12] rd 1101111", "rd, imm", (m) => m.jump()),
  I("jalr", "imm[11:0] rs1 000 rd 1100111", "rd, imm(rs1)", (m) => m.jumpTo(address(m))),
  b("beq", "000", i64.eq),
  b("bne", "001", i64.ne),
  b("blt", "100", i64.lt_s),
  b("bge", "101", i64.ge_s),
  b("bltu", "110", i64.lt_u),
  b("bgeu", "111", i64.ge_u),
  l("lb", "000", "load8_s"),
  l("lh", "001", "load16_s"),
  l("lw", "010", "load32_s"),
  l("ld", "011", "load"),
  l("lbu", "100", "load8_u"),
  l("lhu", "101", "load16_u"),
  l("lwu", "110", "load32_u"),
  s("sb", "000", "store8"),
  s("sh", "001", "store16"),
  s("sw", "010", "store32"),
  s("sd", "011", "store"),
  i("addi", "000", "0010011", i64.add),
  i("slti", "010", "0010011", slt),
  i("sltiu", "011", "0010011", sltu),
  i("xori", "100", "0010011", i64.xor),
  i("ori", "110", "0010011", i64.or),
  i("andi", "111", "0010011", i64.and),
  I("slli", "000000 shamt[5:0] rs1 001 rd 0010011", "rd, rs1, shamt", ri(i64.shl)),
  I("srli", "000000 shamt[5:0] rs1 101 rd 0010011", "rd, rs1, shamt", ri(i64.shr_u)),
  I("srai", "010000 shamt[5:0] rs1 101 rd 0010011", "rd, rs1, shamt", ri(i64.shr_s)),
  r("add", "0000000", "000", "0110011", i64.add),
  r("sub", "0100000", "000", "0110011", i64.sub),
  r("sll", "0000000", "001", "0110011", i64.shl),
  r("slt", "0000000", "010", "0110011", slt),
  r("sltu", "0000000", "011", "0110011", sltu),
  r("xor", "0000000", "100", "0110011", i64.xor),
  r("srl", "0000000", "101", "0110011", i64.shr_u),
  r("sra", "0100000", "101", "0110011", i64.shr_s),
  r("or", "0000000", "110", "0110011", i64.or),
  r("and", "0000000", "111", "0110011", i64.and),
  i("addiw", "000", "0011011", addW),
  I("slliw", "0000000 shamt[4:0] rs1 001 rd 0011011", "rd, rs1, shamt", ri(shlW)),
  I("srliw", "0000000 shamt[4:0] rs1 101 rd 0011011", "rd, rs1, shamt", ri(shrW)),
  I("sraiw", "0100000 shamt[4:0] rs1 101 rd 0011011", "rd, rs1, shamt", ri(sarW)),
  r("addw", "0000000", "000", "0111011", addW),
  r("subw", "0100000", "000", "0111011", subW),
  r("sllw", "0000000", "001", "0111011", shlW),
  r("srlw", "0000000", "101", "0111011", shrW),
  r("sraw", "0100000", "101", "0111011", sarW),
  // Every encoding of FENCE is legal: reserved ones are executed as a full fence (2.7).
  I("fence", "fm[3:0] pred[3:0] succ[3:0] rs1 000 rd 0001111", "", (m) => m.nop()),
  row("zifencei", "fence.i", "imm[11:0] rs1 001 rd 0001111", "", (m) => m.system("fence.i")),
  I("ecall", "000000000000 00000 000 00000 1110011", "", (m) => m.system("ecall")),
  I("ebreak", "000000000001 00000 000 00000 1110011", "", (m) => m.system("ebreak")),
];

/** The high 64 bits of an unsigned product, from four products of 32-bit halves. */
function mulHighUnsigned(a: I64, b: I64): I64 {
  const high = (v: I64) => i64.shr_u(v, 32);
  return letIn(a, (x) =>
    letIn(b, (y) =>
      letIn(
        i64.add(i64.mul(high(x), lowWord(y)), high(i64.mul(lowWord(x), lowWord(y)))),
        (middle) =>
          i64.add(
            i64.add(i64.mul(high(x), high(y)), high(middle)),
            high(i64.add(i64.mul(lowWord(x), high(y)), lowWord(middle))),
          ),
      ),
    ),
  );
}

/** A signed operand counts as itself minus 2^64 when negative. */
const ifNegative = (value: I64, other: I64): I64 => i64.and(i64.shr_s(value, 63), other);

const mulHigh: Binary = (a, b) =>
  letIn(a, (x) =>
    letIn(b, (y) => i64.sub(i64.sub(mulHighUnsigned(x, y), ifNegative(x, y)), ifNegative(y, x))),
  );
const mulHighMixed: Binary = (a, b) =>
  letIn(a, (x) => letIn(b, (y) => i64.sub(mulHighUnsigned(x, y), ifNegative(x, y))));

// Division never traps: a zero divisor gives all ones and the dividend, the overflow of the most
// negative number by -1 gives the dividend and zero (13.2). Wasm would trap on both.
const div: Binary = (a, b) =>
  letIn(a, (x) =>
    letIn(b, (y) => i64.if(i64.eqz(y), -1, i64.if(i64.eq(y, -1), i64.sub(0, x), i64.div_s(x, y)))),
  );
const divu: Binary = (a, b) =>
  letIn(a, (x) => letIn(b, (y) => i64.if(i64.eqz(y), -1, i64.div_u(x, y))));
const rem: Binary = (a, b) =>
  letIn(a, (x) =>
    letIn(b, (y) => i64.if(i64.eqz(y), x, i64.if(i64.eq(y, -1), 0, i64.rem_s(x, y)))),
  );
const remu: Binary = (a, b) =>
  letIn(a, (x) => letIn(b, (y) => i64.if(i64.eqz(y), x, i64.rem_u(x, y))));

const signedWords =
  (operation: Binary): Binary =>
  (a, b) =>
    word(operation(word(a), word(b)));
const unsignedWords =
  (operation: Binary): Binary =>
  (a, b) =>
    word(operation(lowWord(a), lowWord(b)));

const M = (name: string, funct3: string, opcode: string, op: Binary) =>
  row("m", name, `0000001 rs2 rs1 ${funct3} rd ${opcode}`, "rd, rs1, rs2", rr(op));

const MULTIPLY: readonly Row[] = [
  M("mul", "000", "0110011", i64.mul),
  M("mulh", "001", "0110011", mulHigh),
  M("mulhsu", "010", "0110011", mulHighMixed),
  M("mulhu", "011", "0110011", mulHighUnsigned),
  M("div", "100", "0110011", div),
  M("divu", "101", "0110011", divu),
  M("rem", "110", "0110011", rem),
  M("remu", "111", "0110011", remu),
  M("mulw", "000", "0111011", (a, b) => word(i64.mul(a, b))),
  M("divw", "100", "0111011", signedWords(div)),
  M("divuw", "101", "0111011", unsignedWords(divu)),
  M("remw", "110", "0111011", signedWords(rem)),
  M("remuw", "111", "0111011", unsignedWords(remu)),
];

export const BASE_ROWS: readonly Row[] = [...BASE, ...MULTIPLY];

/** One operation of each width of an AMO: Zaamo (14.4). */
const amo = (name: string, funct5: string, next: Binary): Row[] =>
  ([4, 8] as const).map((bytes) =>
    row(
      "a",
      `${name}.${bytes === 4 ? "w" : "d"}`,
      `${funct5} aq rl rs2 rs1 ${bytes === 4 ? "010" : "011"} rd 0101111`,
      "rd, rs2, (rs1)",
      (m) => m.amo(bytes, next),
    ),
  );

const pick =
  (compare: (a: I64, b: I64) => I32): Binary =>
  (old, operand) =>
    i64.select(compare(old, operand), old, operand);

const reserved = (bytes: 4 | 8): Row[] => {
  const [suffix, funct3] = bytes === 4 ? ["w", "010"] : ["d", "011"];
  return [
    row("a", `lr.${suffix}`, `00010 aq rl 00000 rs1 ${funct3} rd 0101111`, "rd, (rs1)", (m) =>
      m.loadReserved(bytes),
    ),
    row("a", `sc.${suffix}`, `00011 aq rl rs2 rs1 ${funct3} rd 0101111`, "rd, rs2, (rs1)", (m) =>
      m.storeConditional(bytes),
    ),
  ];
};

/** A (Unprivileged ISA, chapter 14). Unsigned order holds for sign-extended words too. */
export const ATOMIC_ROWS: readonly Row[] = [
  ...reserved(4),
  ...reserved(8),
  ...amo("amoswap", "00001", (_old, operand) => operand),
  ...amo("amoadd", "00000", i64.add),
  ...amo("amoxor", "00100", i64.xor),
  ...amo("amoand", "01100", i64.and),
  ...amo("amoor", "01000", i64.or),
  ...amo("amomin", "10000", pick(i64.lt_s)),
  ...amo("amomax", "10100", pick(i64.gt_s)),
  ...amo("amominu", "11000", pick(i64.lt_u)),
  ...amo("amomaxu", "11100", pick(i64.gt_u)),
];

const csr = (
  name: string,
  funct3: string,
  operand: "rs1" | "zimm",
  writes: "always" | "unless-zero",
  next: Binary,
): Row =>
  row("zicsr", name, `csr ${operand} ${funct3} rd 1110011`, `rd, csr, ${operand}`, (m) =>
    m.csr(operand, writes, next),
  );

const clear: Binary = (old, operand) => i64.and(old, i64.xor(operand, -1));

/** Zicsr (chapter 7) and the privileged instructions (Privileged Architecture 3.3, 10.2). */
export const SYSTEM_ROWS: readonly Row[] = [
  csr("csrrw", "001", "rs1", "always", (_old, operand) => operand),
  csr("csrrs", "010", "rs1", "unless-zero", i64.or),
  csr("csrrc", "011", "rs1", "unless-zero", clear),
  csr("csrrwi", "101", "zimm", "always", (_old, operand) => operand),
  csr("csrrsi", "110", "zimm", "unless-zero", i64.or),
  csr("csrrci", "111", "zimm", "unless-zero", clear),
  I("sret", "0001000 00010 00000 000 00000 1110011", "", (m) => m.system("sret")),
  I("mret", "0011000 00010 00000 000 00000 1110011", "", (m) => m.system("mret")),
  I("wfi", "0001000 00101 00000 000 00000 1110011", "", (m) => m.system("wfi")),
  I("sfence.vma", "0001001 rs2 rs1 000 00000 1110011", "rs1, rs2", (m) => m.system("sfence.vma")),
  // Invalidations take effect at once, so that there is nothing to order (Svinval).
  row("svinval", "sinval.vma", "0001011 rs2 rs1 000 00000 1110011", "rs1, rs2", (m) =>
    m.system("sfence.vma"),
  ),
  row("svinval", "sfence.w.inval", "0001100 00000 00000 000 00000 1110011", "", (m) =>
    m.system("sfence.inval"),
  ),
  row("svinval", "sfence.inval.ir", "0001100 00001 00000 000 00000 1110011", "", (m) =>
    m.system("sfence.inval"),
  ),
];

const cbo = (extension: string, operation: CacheBlockOperation, number: string): Row =>
  row(extension, `cbo.${operation}`, `${number} rs1 010 00000 0001111`, "(rs1)", (m) =>
    m.cacheBlock(operation),
  );

/** Zicbom and Zicboz (Unprivileged ISA, chapter 19). */
export const CACHE_BLOCK_ROWS: readonly Row[] = [
  cbo("zicbom", "inval", "000000000000"),
  cbo("zicbom", "clean", "000000000001"),
  cbo("zicbom", "flush", "000000000010"),
  cbo("zicboz", "zero", "000000000100"),
];
