/** Square root (IEEE 754-2019, 5.4.1). */
import { call, type Func, f64, i32, i64, ret, set, when, whenLikely } from "../../wasm/expr.ts";
import { withRemainder } from "./divide.ts";
import { BINARY64, type BitsType, type Format, type HostType } from "./format.ts";
import { inexactIsSet, type Unit } from "./unit.ts";
import {
  isAboveLeastNormal,
  isNanBits,
  isZero,
  returnInvalid,
  returnNaN,
  unpack,
} from "./unpack.ts";

/** The place of the significand's leading one, whatever the format. */
const PLACE = BINARY64.fractionBits;

function defineExactSqrt<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  return module.define(`${format.name}_exact_sqrt`, ["i64", "i32"], "i64", (a, rm) => {
    const [exponent, sig, root] = [i32.local(), i64.local(), i64.local()];
    const remainder = i64.sub(i64.shl(sig, PLACE), i64.mul(root, root));
    return [
      when(isNanBits(format, a), returnNaN(flags, format, a)),
      // The square root of -0 is -0 (IEEE 754-2019, 6.3).
      when(i32.or(isZero(format, a), i64.eq(a, format.infinity)), [ret(a)]),
      when(i64.ne(i64.and(a, format.signBit), 0), returnInvalid(flags, format)),
      ...unpack(format, a, exponent, sig),
      set(sig, i64.shl(sig, PLACE - format.fractionBits)),
      set(exponent, i32.sub(exponent, format.bias)),
      when(i32.and(exponent, 1), [set(sig, i64.shl(sig, 1))]),
      // The significand is now in [2^52, 2^54), its root in [2^26, 2^27), and the host's root is the
      // nearest multiple of 2^-26: the integer `root` is within half of the true root of `sig * 2^52`.
      // So the remainder is at most 2^53 in magnitude, and exact modulo 2^64. A root half way between
      // two integers would have a square that is no integer.
      set(root, i64.trunc_f64_s(f64.mul(f64.sqrt(f64.convert_i64_s(sig)), 2 ** (PLACE / 2)))),
      set(exponent, i32.add(i32.shr_s(exponent, 1), format.bias)),
      ret(call(roundPack, i64.const(0), exponent, withRemainder(root, remainder), rm)),
    ];
  });
}

export function defineSqrt<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<B> {
  const { host, bits } = format;
  const exact = defineExactSqrt(unit, format, roundPack);
  return unit.module.define(`${format.name}_sqrt`, [bits, "i32"], bits, (a, rm) => {
    const [x, root, raw] = [host.local(), host.local(), i64.local()];
    return [
      set(x, format.value(format.raw(a))),
      set(root, host.sqrt(x)),
      set(raw, format.rawOf(root)),
      // A root of a positive finite number is normal: inexact is the only flag it can raise.
      whenLikely(i32.and(i32.eqz(rm), isAboveLeastNormal(format, raw)), [
        whenLikely(inexactIsSet(unit.flags), [ret(format.bitsOf(raw))]),
        when(format.isExactProduct(root, root, x), [ret(format.bitsOf(raw))]),
      ]),
      ret(format.bitsOf(call(exact, format.raw(a), rm))),
    ];
  });
}
