/** binary32 values in 64-bit registers: valid only if boxed by 32 ones (Unprivileged ISA, 21.2). */
import {
  type Expr,
  f32,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  letIn,
  lowSingle,
  singleBelowOnes,
} from "../wasm/expr.ts";

const BOX = 0xffff_ffff_0000_0000n;
const CANONICAL_NAN = 0x7fc0_0000;

/** What expressions were made from, for tiers that can do the same in float registers. */
const boxedFrom = new WeakMap<I64, I64>();
const unboxedFrom = new WeakMap<Expr, I64>();

/** A register with the low 32 bits of another. */
export function boxBits(low: I64): I64 {
  const raw = i64.or(low, BOX);
  boxedFrom.set(raw, low);
  return raw;
}

export function box(bits: I32): I64 {
  return boxBits(i64.extend_i32_u(bits));
}

/** What a register holds as a binary32: a canonical NaN if it is not boxed. */
export function unbox(raw: I64): I32 {
  const bits = letIn(raw, (value) =>
    i32.select(isBoxed(value), i32.wrap_i64(value), CANONICAL_NAN),
  );
  unboxedFrom.set(bits, raw);
  return bits;
}

export function isBoxed(raw: I64): I32 {
  return i64.eq(i64.shr_s(raw, 32), -1);
}

/** The variable of type double that `unbox` took a value out of, if it was one. */
export function doubleBehind(bits: Expr): Local<"f64"> | undefined {
  const raw = unboxedFrom.get(bits);
  const double = raw && f64.reinterpret_i64(raw);
  return double?.kind === "local" ? double : undefined;
}

/** A single by its bits. */
export function singleOf(bits: I32): Expr<"f32"> {
  const double = doubleBehind(bits);
  if (double === undefined) return f32.reinterpret_i32(bits);
  const raw = i64.reinterpret_f64(double);
  return f32.select(isBoxed(raw), lowSingle(double), f32.reinterpret_i32(CANONICAL_NAN));
}

/** The bits of a register as a double. */
export function doubleOf(raw: I64): Expr<"f64"> {
  const low = boxedFrom.get(raw);
  return low === undefined
    ? f64.reinterpret_i64(raw)
    : singleBelowOnes(f32.reinterpret_i32(i32.wrap_i64(low)));
}
