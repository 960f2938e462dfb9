/** Conversions between integers and floating point (RISC-V Unprivileged ISA, 20.7 and table 30). */
import { FFlags } from "../../isa/fpu.ts";
import {
  call,
  type Expr,
  type Func,
  f32,
  f64,
  type I64,
  i32,
  i64,
  ret,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import { LEADING_BIT } from "./round-pack.ts";
import { inexactIsSet, Rounding, type Unit } from "./unit.ts";

export type IntegerType = "i32" | "u32" | "i64" | "u64";

interface Target {
  /** The values that fit: at least `least`, and below `beyond`. */
  readonly least: number;
  readonly beyond: number;
  /** Register values: 32-bit results are sign-extended, unsigned ones as well. */
  readonly lowest: bigint;
  readonly highest: bigint;
  convert(integral: Expr<"f64">): I64;
}

const TARGETS: Record<IntegerType, Target> = {
  i32: {
    least: -(2 ** 31),
    beyond: 2 ** 31,
    lowest: -(2n ** 31n),
    highest: 2n ** 31n - 1n,
    convert: (x) => i64.trunc_f64_s(x),
  },
  u32: {
    least: 0,
    beyond: 2 ** 32,
    lowest: 0n,
    highest: -1n,
    convert: (x) => i64.extend32_s(i64.trunc_f64_s(x)),
  },
  i64: {
    least: -(2 ** 63),
    beyond: 2 ** 63,
    lowest: -(2n ** 63n),
    highest: 2n ** 63n - 1n,
    convert: (x) => i64.trunc_f64_s(x),
  },
  u64: {
    least: 0,
    beyond: 2 ** 64,
    lowest: 0n,
    highest: -1n,
    convert: (x) => i64.trunc_f64_u(x),
  },
};

/** `(x, rm) -> x` rounded to an integral value of binary64, which is exact from 2^52 on. */
export function defineRoundToIntegral({ module }: Unit): Func<"f64"> {
  return module.define("f64_round_to_integral", ["f64", "i32"], "f64", (x, rm) => {
    const truncated = f64.local();
    const unit = f64.select(f64.lt(x, f64.const(0)), f64.const(-1), f64.const(1));
    return [
      when(i32.eq(rm, Rounding.nearestEven), [ret(f64.nearest(x))]),
      when(i32.eq(rm, Rounding.down), [ret(f64.floor(x))]),
      when(i32.eq(rm, Rounding.up), [ret(f64.neg(f64.floor(f64.neg(x))))]),
      set(truncated, f64.trunc(x)),
      // The fraction is a difference without rounding.
      when(
        i32.and(
          i32.eq(rm, Rounding.nearestMaxMagnitude),
          f64.ge(f64.abs(f64.sub(x, truncated)), f64.const(0.5)),
        ),
        [set(truncated, f64.add(truncated, unit))],
      ),
      ret(truncated),
    ];
  });
}

/** FCVT to an integer. binary32 widens to binary64 without rounding. */
export function defineToInteger<B extends BitsType>(
  { module, flags }: Unit,
  name: string,
  bits: B,
  widen: (operand: Expr<B>) => Expr<"f64">,
  type: IntegerType,
  roundToIntegral: Func<"f64">,
): Func<"i64"> {
  const target = TARGETS[type];
  return module.define(name, [bits, "i32"], "i64", (a, rm) => {
    const [x, integral] = [f64.local(), f64.local()];
    return [
      set(x, widen(a)),
      // C converts so, and the host has an instruction for it.
      set(
        integral,
        f64.if(i32.eq(rm, Rounding.towardZero), f64.trunc(x), call(roundToIntegral, x, rm)),
      ),
      whenLikely(
        i32.and(
          f64.ge(integral, f64.const(target.least)),
          f64.lt(integral, f64.const(target.beyond)),
        ),
        [when(f64.ne(integral, x), [flags.accrue(FFlags.NX)]), ret(target.convert(integral))],
      ),
      flags.accrue(FFlags.NV),
      ret(i64.select(f64.lt(x, f64.const(0)), target.lowest, target.highest)),
    ];
  });
}

export const widenF32 = (bits: Expr<"i32">): Expr<"f64"> =>
  f64.promote_f32(f32.reinterpret_i32(bits));
export const widenF64 = (bits: Expr<"i64">): Expr<"f64"> => f64.reinterpret_i64(bits);

/** `(sign, magnitude, rm) -> raw`, for a magnitude that is not zero. */
export function defineRoundInteger<B extends BitsType, H extends HostType>(
  { module }: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  const name = `${format.name}_round_integer`;
  return module.define(name, ["i64", "i64", "i32"], "i64", (sign, magnitude, rm) => {
    const shift = i64.local();
    const exponent = i32.sub(format.bias + LEADING_BIT, i32.wrap_i64(shift));
    return [
      when(i64.lt_s(magnitude, 0), [
        set(magnitude, i64.or(i64.shr_u(magnitude, 1), i64.and(magnitude, 1))),
        ret(call(roundPack, sign, format.bias + LEADING_BIT + 1, magnitude, rm)),
      ]),
      set(shift, i64.sub(i64.clz(magnitude), 63 - LEADING_BIT)),
      ret(call(roundPack, sign, exponent, i64.shl(magnitude, shift), rm)),
    ];
  });
}

/** The operand of a register: W and WU forms take its lower half. */
const SOURCES: Record<IntegerType, (operand: I64) => I64> = {
  i32: (operand) => i64.extend32_s(operand),
  u32: (operand) => i64.and(operand, 0xffff_ffff),
  i64: (operand) => operand,
  u64: (operand) => operand,
};

/** FCVT from an integer, with rounding. */
export function defineFromInteger<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
  hostConvert: (integer: I64, unsigned: boolean) => Expr<H>,
  type: IntegerType,
  roundInteger: Func<"i64">,
): Func<B> {
  const unsigned = type === "u64";
  const exactLimit = 2 ** (format.fractionBits + 1);
  return module.define(`${type}_to_${format.name}`, ["i64", "i32"], format.bits, (a, rm) => {
    const [x, raw, sign] = [i64.local(), i64.local(), i64.local()];
    const fitsSignificand = unsigned
      ? i64.lt_u(x, exactLimit)
      : i64.lt_u(i64.add(x, exactLimit), 2 * exactLimit);
    const give = [ret(format.bitsOf(raw))];
    const negative = unsigned ? i32.const(0) : i64.lt_s(x, 0);
    return [
      set(x, SOURCES[type](a)),
      set(raw, format.rawOf(hostConvert(x, unsigned))),
      whenLikely(fitsSignificand, give),
      // An integer neither overflows nor underflows: inexact is the only flag it can raise.
      when(i32.and(i32.eqz(rm), inexactIsSet(flags)), give),
      when(negative, [set(sign, format.signBit), set(x, i64.sub(0, x))]),
      ret(format.bitsOf(call(roundInteger, sign, x, rm))),
    ];
  });
}

export const hostConvertF32 = (integer: I64, unsigned: boolean): Expr<"f32"> =>
  unsigned ? f32.convert_i64_u(integer) : f32.convert_i64_s(integer);
export const hostConvertF64 = (integer: I64, unsigned: boolean): Expr<"f64"> =>
  unsigned ? f64.convert_i64_u(integer) : f64.convert_i64_s(integer);

/** FCVT.D.W and FCVT.D.WU: 32 bits always fit. */
export function defineExactFromInteger({ module }: Unit, type: "i32" | "u32"): Func<"i64"> {
  return module.define(`${type}_to_f64`, ["i64"], "i64", (a) => [
    ret(i64.reinterpret_f64(f64.convert_i64_s(SOURCES[type](a)))),
  ]);
}
