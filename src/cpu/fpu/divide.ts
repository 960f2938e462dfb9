/** Division (IEEE 754-2019, 5.4.1 and 7.3). */
import { FFlags } from "../../isa/fpu.ts";
import {
  call,
  type Func,
  f64,
  type I64,
  i32,
  i64,
  ret,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import { BINARY64, type BitsType, type Format, type HostType } from "./format.ts";
import { LEADING_BIT } from "./round-pack.ts";
import { inexactIsSet, type Unit } from "./unit.ts";
import {
  any,
  isAboveLeastNormal,
  isFiniteBits,
  isInfinite,
  isNanBits,
  isZero,
  returnInvalid,
  returnNaN,
  unpack,
} from "./unpack.ts";

/** Both significands are brought to the place of a binary64 one, whatever the format. */
const PLACE = BINARY64.fractionBits;

/**
 * A significand for rounding from an integer within half of the true value, and the sign of what is
 * missing: the true value is never exactly half way, so one unit far below stands for all of it.
 */
export function withRemainder(estimate: I64, remainder: I64): I64 {
  const missing = i32.sub(i64.gt_s(remainder, 0), i64.lt_s(remainder, 0));
  return i64.add(i64.shl(estimate, LEADING_BIT - PLACE), i64.extend_i32_s(missing));
}

/** Raw bits of a / b, where one of them is not finite or is zero. */
function specialQuotient<B extends BitsType, H extends HostType>(
  { flags }: Unit,
  format: Format<B, H>,
  a: I64,
  b: I64,
  sign: I64,
): Stmt[] {
  const bothInfinite = i32.and(isInfinite(format, a), isInfinite(format, b));
  const bothZero = i32.and(isZero(format, a), isZero(format, b));
  return [
    when(any(isNanBits(format, a), isNanBits(format, b)), returnNaN(flags, format, a, b)),
    when(i32.or(bothInfinite, bothZero), returnInvalid(flags, format)),
    when(isInfinite(format, a), [ret(i64.or(sign, format.infinity))]),
    when(isZero(format, b), [flags.accrue(FFlags.DZ), ret(i64.or(sign, format.infinity))]),
    ret(sign),
  ];
}

function defineExactDivide<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  const name = `${format.name}_exact_div`;
  return unit.module.define(name, ["i64", "i64", "i32"], "i64", (a, b, rm) => {
    const [sign, sigA, sigB, quotient] = [i64.local(), i64.local(), i64.local(), i64.local()];
    const [expA, expB] = [i32.local(), i32.local()];
    const special = any(
      i32.eqz(i32.and(isFiniteBits(format, a), isFiniteBits(format, b))),
      isZero(format, a),
      isZero(format, b),
    );
    const ratio = f64.div(f64.convert_i64_s(sigA), f64.convert_i64_s(sigB));
    const remainder = i64.sub(i64.shl(sigA, PLACE), i64.mul(quotient, sigB));
    return [
      set(sign, i64.and(i64.xor(a, b), format.signBit)),
      when(special, specialQuotient(unit, format, a, b, sign)),
      ...unpack(format, a, expA, sigA),
      ...unpack(format, b, expB, sigB),
      set(sigA, i64.shl(sigA, PLACE - format.fractionBits)),
      set(sigB, i64.shl(sigB, PLACE - format.fractionBits)),
      set(expA, i32.add(i32.sub(expA, expB), format.bias)),
      when(i64.lt_u(sigA, sigB), [set(sigA, i64.shl(sigA, 1)), set(expA, i32.sub(expA, 1))]),
      // The ratio of the significands is in [1, 2), and the host's is the nearest multiple of 2^-52:
      // the integer `quotient` is within half of the true one. So the remainder is below 2^53 in
      // magnitude, and exact modulo 2^64. It is never half of the divisor: that needs a quotient of 54
      // significant bits, times the divisor, to have the 53 of the dividend.
      set(quotient, i64.trunc_f64_s(f64.mul(ratio, 2 ** PLACE))),
      ret(call(roundPack, sign, expA, withRemainder(quotient, remainder), rm)),
    ];
  });
}

export function defineDivide<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<B> {
  const { host, bits } = format;
  const exact = defineExactDivide(unit, format, roundPack);
  return unit.module.define(`${format.name}_div`, [bits, bits, "i32"], bits, (a, b, rm) => {
    const [x, y, quotient, raw] = [host.local(), host.local(), host.local(), i64.local()];
    return [
      set(x, format.value(format.raw(a))),
      set(y, format.value(format.raw(b))),
      set(quotient, host.div(x, y)),
      set(raw, format.rawOf(quotient)),
      // As for a product: a zero divisor gives an infinity or NaN, and is not taken here.
      whenLikely(i32.and(i32.eqz(rm), isAboveLeastNormal(format, raw)), [
        whenLikely(inexactIsSet(unit.flags), [ret(format.bitsOf(raw))]),
        when(format.isExactProduct(quotient, y, x), [ret(format.bitsOf(raw))]),
      ]),
      // Zero by anything but zero and NaN is an exact zero in every mode.
      when(i32.and(host.eq(x, host.const(0)), host.eq(quotient, host.const(0))), [
        ret(format.bitsOf(raw)),
      ]),
      ret(format.bitsOf(call(exact, format.raw(a), format.raw(b), rm))),
    ];
  });
}
