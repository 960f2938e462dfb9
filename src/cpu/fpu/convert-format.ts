/** Conversions between the formats (IEEE 754-2019, 5.4.2; RISC-V Unprivileged ISA, 21.5). */
import {
  call,
  type Func,
  f32,
  f64,
  i32,
  i64,
  ret,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import { BINARY32, BINARY64 } from "./format.ts";
import { LEADING_BIT } from "./round-pack.ts";
import { inexactIsSet, type Unit } from "./unit.ts";
import { isAboveLeastNormal, isInfinite, isNanBits, isZero, signalNaNs, unpack } from "./unpack.ts";

/** FCVT.D.S: exact, but for NaNs. */
export function defineWiden({ module, flags }: Unit): Func<"i64"> {
  return module.define("f32_to_f64", ["i32"], "i64", (a) => {
    const x = f32.local();
    return [
      set(x, f32.reinterpret_i32(a)),
      whenLikely(f32.eq(x, x), [ret(i64.reinterpret_f64(f64.promote_f32(x)))]),
      signalNaNs(flags, BINARY32, BINARY32.raw(a)),
      ret(i64.const(BINARY64.canonicalNaN)),
    ];
  });
}

/** `(a, rm) -> raw` binary32 of a binary64 that is no NaN. */
function defineExactNarrow({ module }: Unit, roundPack: Func<"i64">): Func<"i64"> {
  return module.define("f64_exact_narrow", ["i64", "i32"], "i64", (a, rm) => {
    const [sign, sig, exponent] = [i64.local(), i64.local(), i32.local()];
    return [
      set(sign, i64.and(i64.shr_u(a, 32), BINARY32.signBit)),
      when(isInfinite(BINARY64, a), [ret(i64.or(sign, BINARY32.infinity))]),
      when(isZero(BINARY64, a), [ret(sign)]),
      ...unpack(BINARY64, a, exponent, sig),
      ret(
        call(
          roundPack,
          sign,
          i32.sub(exponent, BINARY64.bias - BINARY32.bias),
          i64.shl(sig, LEADING_BIT - BINARY64.fractionBits),
          rm,
        ),
      ),
    ];
  });
}

/** FCVT.S.D. */
export function defineNarrow(unit: Unit, roundPack32: Func<"i64">): Func<"i32"> {
  const exact = defineExactNarrow(unit, roundPack32);
  const { module, flags } = unit;
  return module.define("f64_to_f32", ["i64", "i32"], "i32", (a, rm) => {
    const [x, narrow, raw] = [f64.local(), f32.local(), i64.local()];
    const give = [ret(BINARY32.bitsOf(raw))];
    return [
      set(x, f64.reinterpret_i64(a)),
      set(narrow, f32.demote_f64(x)),
      set(raw, BINARY32.rawOf(narrow)),
      // A finite result above the least normal has neither overflowed nor underflowed.
      whenLikely(
        i32.and(i32.and(i32.eqz(rm), inexactIsSet(flags)), isAboveLeastNormal(BINARY32, raw)),
        give,
      ),
      // What comes back unchanged was not rounded, in any mode.
      when(f64.eq(f64.promote_f32(narrow), x), give),
      when(isNanBits(BINARY64, a), [
        signalNaNs(flags, BINARY64, a),
        ret(BINARY32.bitsOf(i64.const(BINARY32.canonicalNaN))),
      ]),
      ret(BINARY32.bitsOf(call(exact, a, rm))),
    ];
  });
}
