/**
 * The floating-point functions that rows of the instruction table call: names and shapes.
 * Operands and results are raw IEEE 754 bits, binary32 in an i32 and binary64 in an i64; integer
 * results are the 64-bit register value. Every function accrues its exceptions into `fflags`.
 * `rm` is a resolved rounding mode 0..4 (RNE, RTZ, RDN, RUP, RMM), never 7.
 */
import type { ValType } from "../wasm/opcodes.ts";

export interface FpuSignature {
  readonly params: readonly ValType[];
  readonly result: ValType;
}

function shape<const P extends readonly ValType[], const R extends ValType>(params: P, result: R) {
  return { params, result };
}

/** fflags bits (Unprivileged ISA, 20.2). */
export const FFlags = { NX: 1, UF: 2, OF: 4, DZ: 8, NV: 16 } as const;

export const FPU_FUNCTIONS = {
  f32_add: shape(["i32", "i32", "i32"], "i32"),
  f32_sub: shape(["i32", "i32", "i32"], "i32"),
  f32_mul: shape(["i32", "i32", "i32"], "i32"),
  f32_div: shape(["i32", "i32", "i32"], "i32"),
  f32_sqrt: shape(["i32", "i32"], "i32"),
  /** a * b + c with one rounding. */
  f32_fma: shape(["i32", "i32", "i32", "i32"], "i32"),
  f32_min: shape(["i32", "i32"], "i32"),
  f32_max: shape(["i32", "i32"], "i32"),
  /** 0 or 1; quiet comparison. */
  f32_eq: shape(["i32", "i32"], "i64"),
  f32_lt: shape(["i32", "i32"], "i64"),
  f32_le: shape(["i32", "i32"], "i64"),
  /** The ten-bit mask of FCLASS; raises nothing. */
  f32_classify: shape(["i32"], "i64"),
  f32_to_i32: shape(["i32", "i32"], "i64"),
  f32_to_u32: shape(["i32", "i32"], "i64"),
  f32_to_i64: shape(["i32", "i32"], "i64"),
  f32_to_u64: shape(["i32", "i32"], "i64"),
  f32_to_f64: shape(["i32"], "i64"),
  i32_to_f32: shape(["i64", "i32"], "i32"),
  u32_to_f32: shape(["i64", "i32"], "i32"),
  i64_to_f32: shape(["i64", "i32"], "i32"),
  u64_to_f32: shape(["i64", "i32"], "i32"),
  f64_add: shape(["i64", "i64", "i32"], "i64"),
  f64_sub: shape(["i64", "i64", "i32"], "i64"),
  f64_mul: shape(["i64", "i64", "i32"], "i64"),
  f64_div: shape(["i64", "i64", "i32"], "i64"),
  f64_sqrt: shape(["i64", "i32"], "i64"),
  f64_fma: shape(["i64", "i64", "i64", "i32"], "i64"),
  f64_min: shape(["i64", "i64"], "i64"),
  f64_max: shape(["i64", "i64"], "i64"),
  f64_eq: shape(["i64", "i64"], "i64"),
  f64_lt: shape(["i64", "i64"], "i64"),
  f64_le: shape(["i64", "i64"], "i64"),
  f64_classify: shape(["i64"], "i64"),
  f64_to_i32: shape(["i64", "i32"], "i64"),
  f64_to_u32: shape(["i64", "i32"], "i64"),
  f64_to_i64: shape(["i64", "i32"], "i64"),
  f64_to_u64: shape(["i64", "i32"], "i64"),
  f64_to_f32: shape(["i64", "i32"], "i32"),
  /** Exact, so without a rounding mode. */
  i32_to_f64: shape(["i64"], "i64"),
  u32_to_f64: shape(["i64"], "i64"),
  i64_to_f64: shape(["i64", "i32"], "i64"),
  u64_to_f64: shape(["i64", "i32"], "i64"),
} as const satisfies Record<string, FpuSignature>;

export type FpuFunction = keyof typeof FPU_FUNCTIONS;
