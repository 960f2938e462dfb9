/** Predicates on raw bits, and their parts. Operands are evaluated more than once: bind them. */
import { FFlags } from "../../isa/fpu.ts";
import {
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  ret,
  type Stmt,
  set,
  when,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import type { FlagsAccess } from "./unit.ts";

type AnyFormat = Format<BitsType, HostType>;
type Layout = Pick<
  AnyFormat,
  | "fractionBits"
  | "maxExponent"
  | "signBit"
  | "hiddenBit"
  | "infinity"
  | "quietBit"
  | "canonicalNaN"
>;

export function magnitude(format: Layout, raw: I64): I64 {
  return i64.and(raw, format.signBit - 1n);
}

export function signOf(format: Layout, raw: I64): I64 {
  return i64.and(raw, format.signBit);
}

export function isZero(format: Layout, raw: I64): I32 {
  return i64.eqz(magnitude(format, raw));
}

export function isFiniteBits(format: Layout, raw: I64): I32 {
  return i64.ne(i64.and(raw, format.infinity), format.infinity);
}

export function isInfinite(format: Layout, raw: I64): I32 {
  return i64.eq(magnitude(format, raw), format.infinity);
}

export function isNanBits(format: Layout, raw: I64): I32 {
  return i64.gt_u(magnitude(format, raw), format.infinity);
}

export function isSignalling(format: Layout, raw: I64): I32 {
  // Their encodings lie strictly between infinity and the least quiet NaN.
  return i64.lt_u(i64.sub(magnitude(format, raw), format.infinity + 1n), format.quietBit - 1n);
}

/**
 * Whether a result is finite and above the least normal. The least normal itself may have been
 * rounded up from a tiny value, which underflows (IEEE 754-2019, 7.5).
 */
export function isAboveLeastNormal(format: Layout, raw: I64): I32 {
  const least = format.hiddenBit + 1n;
  return i64.lt_u(i64.sub(magnitude(format, raw), least), format.infinity - least);
}

export function any(...conditions: I32[]): I32 {
  return conditions.reduce((all, one) => i32.or(all, one));
}

/** A signalling NaN among the operands is an invalid operation (IEEE 754-2019, 7.2 a). */
export function signalNaNs(flags: FlagsAccess, format: Layout, ...operands: I64[]): Stmt {
  return when(any(...operands.map((raw) => isSignalling(format, raw))), [flags.accrue(FFlags.NV)]);
}

/** The result of an operation with a NaN among its operands, as raw bits. */
export function returnNaN(flags: FlagsAccess, format: Layout, ...operands: I64[]): Stmt[] {
  return [signalNaNs(flags, format, ...operands), ret(i64.const(format.canonicalNaN))];
}

/** The result of an invalid operation, as raw bits (IEEE 754-2019, 7.2). */
export function returnInvalid(flags: FlagsAccess, format: Layout): Stmt[] {
  return [flags.accrue(FFlags.NV), ret(i64.const(format.canonicalNaN))];
}

/** The biased exponent field. */
export function exponentOf(format: Layout, raw: I64): I32 {
  return i32.and(i32.wrap_i64(i64.shr_u(raw, format.fractionBits)), format.maxExponent);
}

/**
 * Takes a finite value that is not zero apart. The significand has its leading one at the place of the
 * hidden bit, also that of a subnormal, whose exponent goes below 1 for it.
 */
export function unpack(
  format: Layout,
  raw: I64,
  exponent: Local<"i32">,
  significand: Local<"i64">,
): Stmt[] {
  const shift = i32.local();
  return [
    set(exponent, exponentOf(format, raw)),
    set(significand, i64.and(raw, format.hiddenBit - 1n)),
    when(
      i32.eqz(exponent),
      [
        set(shift, i32.sub(i32.wrap_i64(i64.clz(significand)), 63 - format.fractionBits)),
        set(significand, i64.shl(significand, i64.extend_i32_u(shift))),
        set(exponent, i32.sub(1, shift)),
      ],
      [set(significand, i64.or(significand, format.hiddenBit))],
    ),
  ];
}
