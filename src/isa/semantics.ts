/**
 * What an instruction may do, as an interface that each execution tier implements.
 *
 * A row's semantics are one function from a `Target` to statements. The interpreter's target reads
 * operands from a decoded entry at run time; a translator's target knows them and folds them away.
 * Nothing here depends on the privilege mode, the MMU or the CSRs: those are the target's business.
 */
import type { Expr, I32, I64, Stmt } from "../wasm/expr.ts";
import type { FPU_FUNCTIONS, FpuFunction } from "./fpu.ts";

export type XSource = "rs1" | "rs2";
export type FSource = "fs1" | "fs2" | "fs3";

/** Loads and stores by the name of the wasm access that moves the bytes. */
export type LoadWidth =
  | "load8_s"
  | "load8_u"
  | "load16_s"
  | "load16_u"
  | "load32_s"
  | "load32_u"
  | "load";
export type StoreWidth = "store8" | "store16" | "store32" | "store";

/** Instructions whose effect is the hart's, not the data path's. */
export type SystemOperation =
  | "ecall"
  | "ebreak"
  | "mret"
  | "sret"
  | "wfi"
  | "sfence.vma"
  | "sfence.inval"
  | "fence.i";

/** What is done to the cache block at rs1. */
export type CacheBlockOperation = "inval" | "clean" | "flush" | "zero";

export interface Target {
  /** Integer source register. */
  x(source: XSource): I64;
  /** Writes rd; a write to x0 has no effect. */
  setX(value: I64): Stmt[];
  /** The raw 64 bits of a floating-point source register. */
  f(source: FSource): I64;
  /** Writes fd and marks the floating-point state dirty. */
  setF(value: I64): Stmt[];
  fpu<N extends FpuFunction>(
    name: N,
    ...args: readonly Expr[]
  ): Expr<(typeof FPU_FUNCTIONS)[N]["result"]>;
  /** The rounding mode 0..4 in force, DYN resolved. */
  rm(): I32;
  /** The immediate, sign- or zero-extended as the encoding says. */
  imm(): I64;
  /** The five-bit unsigned immediate in the place of rs1. */
  zimm(): I64;
  /** Address of this instruction. */
  pc(): I64;
  /** Address of the instruction after it. */
  nextPc(): I64;
  /** Goes to pc + imm if the condition holds. */
  branch(cond: I32): Stmt[];
  /** Links and goes to pc + imm. */
  jump(): Stmt[];
  /** Links and goes to a computed address, whose bit 0 is ignored. */
  jumpTo(address: I64): Stmt[];
  load(width: LoadWidth, address: I64, use: (value: I64) => readonly Stmt[]): Stmt[];
  store(width: StoreWidth, address: I64, value: I64): Stmt[];
  /** rd = M[rs1]; M[rs1] = next(old, rs2), atomically. 32-bit values are sign-extended. */
  amo(bytes: 4 | 8, next: (old: I64, operand: I64) => I64): Stmt[];
  loadReserved(bytes: 4 | 8): Stmt[];
  storeConditional(bytes: 4 | 8): Stmt[];
  /**
   * Reads the CSR that imm numbers and writes `next(old, operand)`, where the operand is rs1 or zimm.
   * `writes` says when: a set or clear does not write if its rs1 field is zero.
   */
  csr(
    operand: "rs1" | "zimm",
    writes: "always" | "unless-zero",
    next: (old: I64, operand: I64) => I64,
  ): Stmt[];
  system(operation: SystemOperation): Stmt[];
  cacheBlock(operation: CacheBlockOperation): Stmt[];
  /** No effect beyond the passing of the instruction. */
  nop(): Stmt[];
}

export type Semantics = (m: Target) => Stmt[];
