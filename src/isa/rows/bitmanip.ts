/** Zba, Zbb, Zbs (Unprivileged ISA, chapter 30) and Zicond (chapter 12). */
import { type Arg, type I32, type I64, i64, letIn } from "../../wasm/expr.ts";
import { type Row, row } from "../row.ts";
import type { Semantics } from "../semantics.ts";
import { type Binary, lowWord, ri, rr, word } from "./integer.ts";

type Unary = (a: I64) => I64;

const not = (value: I64): I64 => i64.xor(value, -1);

const r1 =
  (operation: Unary): Semantics =>
  (m) =>
    m.setX(operation(m.x("rs1")));

const OP = "0110011";
const OP_32 = "0111011";
const OP_IMM = "0010011";
const OP_IMM_32 = "0011011";

/** Two source registers. */
const r = (ext: string, name: string, funct7: string, funct3: string, opcode: string, op: Binary) =>
  row(ext, name, `${funct7} rs2 rs1 ${funct3} rd ${opcode}`, "rd, rs1, rs2", rr(op));
/** One source register and a six-bit shift amount or bit number. */
const shift = (ext: string, name: string, funct6: string, funct3: string, op: Binary) =>
  row(ext, name, `${funct6} shamt[5:0] rs1 ${funct3} rd ${OP_IMM}`, "rd, rs1, shamt", ri(op));
/** One source register. */
const u = (name: string, funct12: string, funct3: string, opcode: string, op: Unary) =>
  row("zbb", name, `${funct12} rs1 ${funct3} rd ${opcode}`, "rd, rs1", r1(op));

const shiftedAdd =
  (by: number): Binary =>
  (a, b) =>
    i64.add(i64.shl(a, by), b);
const shiftedAddWord =
  (by: number): Binary =>
  (a, b) =>
    i64.add(i64.shl(lowWord(a), by), b);

const ZBA: readonly Row[] = [
  r("zba", "add.uw", "0000100", "000", OP_32, shiftedAddWord(0)),
  r("zba", "sh1add", "0010000", "010", OP, shiftedAdd(1)),
  r("zba", "sh2add", "0010000", "100", OP, shiftedAdd(2)),
  r("zba", "sh3add", "0010000", "110", OP, shiftedAdd(3)),
  r("zba", "sh1add.uw", "0010000", "010", OP_32, shiftedAddWord(1)),
  r("zba", "sh2add.uw", "0010000", "100", OP_32, shiftedAddWord(2)),
  r("zba", "sh3add.uw", "0010000", "110", OP_32, shiftedAddWord(3)),
  row(
    "zba",
    "slli.uw",
    `000010 shamt[5:0] rs1 001 rd ${OP_IMM_32}`,
    "rd, rs1, shamt",
    ri((a, b) => i64.shl(lowWord(a), b)),
  ),
];

const pick =
  (compare: (a: I64, b: I64) => I32): Binary =>
  (a, b) =>
    letIn(a, (x) => letIn(b, (y) => i64.select(compare(x, y), x, y)));

// Wasm rotates 64-bit numbers by the low six bits; a word is rotated as a copy of itself in both halves.
const twice = (a: I64): I64 => letIn(lowWord(a), (low) => i64.or(i64.shl(low, 32), low));
const rolW: Binary = (a, b) => word(i64.shr_u(i64.rotl(twice(a), i64.and(b, 31)), 32));
const rorW: Binary = (a, b) => word(i64.shr_u(twice(a), i64.and(b, 31)));

const leadingZerosOfWord: Unary = (a) => i64.clz(i64.or(i64.shl(a, 32), 0x8000_0000));
const trailingZerosOfWord: Unary = (a) => i64.ctz(i64.or(a, 0x1_0000_0000));

/** Every byte that is not zero becomes 0xff. */
const orCombine: Unary = (a) =>
  letIn(a, (x) => {
    const low = 0x7f7f_7f7f_7f7f_7f7fn;
    // A carry into the top bit of a byte says that one of its lower bits is set.
    const set = i64.or(i64.add(i64.and(x, low), low), x);
    return i64.mul(i64.and(i64.shr_u(set, 7), 0x0101_0101_0101_0101n), 0xff);
  });

const swapWithin = (a: I64, by: number, mask: bigint): I64 =>
  letIn(a, (x) => i64.or(i64.and(i64.shr_u(x, by), mask), i64.shl(i64.and(x, mask), by)));
const reverseBytes: Unary = (a) =>
  i64.rotl(
    swapWithin(swapWithin(a, 8, 0x00ff_00ff_00ff_00ffn), 16, 0x0000_ffff_0000_ffffn),
    i64.const(32),
  );

const ZBB: readonly Row[] = [
  r("zbb", "andn", "0100000", "111", OP, (a, b) => i64.and(a, not(b))),
  r("zbb", "orn", "0100000", "110", OP, (a, b) => i64.or(a, not(b))),
  r("zbb", "xnor", "0100000", "100", OP, (a, b) => not(i64.xor(a, b))),
  u("clz", "011000000000", "001", OP_IMM, i64.clz),
  u("ctz", "011000000001", "001", OP_IMM, i64.ctz),
  u("cpop", "011000000010", "001", OP_IMM, i64.popcnt),
  u("clzw", "011000000000", "001", OP_IMM_32, leadingZerosOfWord),
  u("ctzw", "011000000001", "001", OP_IMM_32, trailingZerosOfWord),
  u("cpopw", "011000000010", "001", OP_IMM_32, (a) => i64.popcnt(lowWord(a))),
  r("zbb", "max", "0000101", "110", OP, pick(i64.gt_s)),
  r("zbb", "maxu", "0000101", "111", OP, pick(i64.gt_u)),
  r("zbb", "min", "0000101", "100", OP, pick(i64.lt_s)),
  r("zbb", "minu", "0000101", "101", OP, pick(i64.lt_u)),
  u("sext.b", "011000000100", "001", OP_IMM, i64.extend8_s),
  u("sext.h", "011000000101", "001", OP_IMM, i64.extend16_s),
  u("zext.h", "000010000000", "100", OP_32, (a) => i64.and(a, 0xffff)),
  r("zbb", "rol", "0110000", "001", OP, i64.rotl),
  r("zbb", "ror", "0110000", "101", OP, i64.rotr),
  shift("zbb", "rori", "011000", "101", i64.rotr),
  r("zbb", "rolw", "0110000", "001", OP_32, rolW),
  r("zbb", "rorw", "0110000", "101", OP_32, rorW),
  row("zbb", "roriw", `0110000 shamt[4:0] rs1 101 rd ${OP_IMM_32}`, "rd, rs1, shamt", ri(rorW)),
  u("orc.b", "001010000111", "101", OP_IMM, orCombine),
  u("rev8", "011010111000", "101", OP_IMM, reverseBytes),
];

/** The bit that the low six bits of a number name. */
const bit = (number: Arg<"i64">): I64 => i64.shl(1, number);
const clearBit: Binary = (a, b) => i64.and(a, not(bit(b)));
const extractBit: Binary = (a, b) => i64.and(i64.shr_u(a, b), 1);
const invertBit: Binary = (a, b) => i64.xor(a, bit(b));
const setBit: Binary = (a, b) => i64.or(a, bit(b));

const ZBS: readonly Row[] = [
  r("zbs", "bclr", "0100100", "001", OP, clearBit),
  shift("zbs", "bclri", "010010", "001", clearBit),
  r("zbs", "bext", "0100100", "101", OP, extractBit),
  shift("zbs", "bexti", "010010", "101", extractBit),
  r("zbs", "binv", "0110100", "001", OP, invertBit),
  shift("zbs", "binvi", "011010", "001", invertBit),
  r("zbs", "bset", "0010100", "001", OP, setBit),
  shift("zbs", "bseti", "001010", "001", setBit),
];

const ZICOND: readonly Row[] = [
  r("zicond", "czero.eqz", "0000111", "101", OP, (a, b) => i64.select(i64.eqz(b), 0, a)),
  r("zicond", "czero.nez", "0000111", "111", OP, (a, b) => i64.select(i64.eqz(b), a, 0)),
];

export const BITMANIP_ROWS: readonly Row[] = [...ZBA, ...ZBB, ...ZBS, ...ZICOND];
