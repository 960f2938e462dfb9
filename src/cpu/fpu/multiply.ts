/** Multiplication (IEEE 754-2019, 5.4.1). */
import {
  call,
  type Func,
  type I64,
  i32,
  i64,
  type Local,
  ret,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import { LEADING_BIT } from "./round-pack.ts";
import { inexactIsSet, type Unit } from "./unit.ts";
import {
  any,
  isAboveLeastNormal,
  isFiniteBits,
  isNanBits,
  isZero,
  returnInvalid,
  returnNaN,
  unpack,
} from "./unpack.ts";

/** Sets `high` and `low` to the 128-bit product of two i64, through limbs of 32 bits. */
export function multiplyWide(
  a: Local<"i64">,
  b: Local<"i64">,
  high: Local<"i64">,
  low: Local<"i64">,
): Stmt[] {
  const lower = (x: I64) => i64.and(x, 0xffff_ffff);
  const upper = (x: I64) => i64.shr_u(x, 32);
  const [middle, other] = [i64.local(), i64.local()];
  return [
    // No sum overflows: (2^32 - 1)^2 + (2^32 - 1) < 2^64.
    set(middle, i64.add(i64.mul(lower(a), upper(b)), upper(i64.mul(lower(a), lower(b))))),
    set(other, i64.add(i64.mul(upper(a), lower(b)), lower(middle))),
    set(high, i64.add(i64.mul(upper(a), upper(b)), i64.add(upper(middle), upper(other)))),
    set(low, i64.mul(a, b)),
  ];
}

/** Raw bits of a * b, where one of them is not finite. */
function specialProduct<B extends BitsType, H extends HostType>(
  { flags }: Unit,
  format: Format<B, H>,
  a: I64,
  b: I64,
  sign: I64,
): Stmt[] {
  return [
    when(any(isNanBits(format, a), isNanBits(format, b)), returnNaN(flags, format, a, b)),
    when(any(isZero(format, a), isZero(format, b)), returnInvalid(flags, format)),
    ret(i64.or(sign, format.infinity)),
  ];
}

function defineExactMultiply<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  const name = `${format.name}_exact_mul`;
  return unit.module.define(name, ["i64", "i64", "i32"], "i64", (a, b, rm) => {
    const [sign, sigA, sigB] = [i64.local(), i64.local(), i64.local()];
    const [high, low] = [i64.local(), i64.local()];
    const [expA, expB] = [i32.local(), i32.local()];
    return [
      set(sign, i64.and(i64.xor(a, b), format.signBit)),
      when(
        i32.eqz(i32.and(isFiniteBits(format, a), isFiniteBits(format, b))),
        specialProduct(unit, format, a, b, sign),
      ),
      when(any(isZero(format, a), isZero(format, b)), [ret(sign)]),
      ...unpack(format, a, expA, sigA),
      ...unpack(format, b, expB, sigB),
      // Leading ones at bits 62 and 63 give one at bit 61 or 62 of the upper half.
      set(sigA, i64.shl(sigA, LEADING_BIT - format.fractionBits)),
      set(sigB, i64.shl(sigB, LEADING_BIT + 1 - format.fractionBits)),
      ...multiplyWide(sigA, sigB, high, low),
      set(high, i64.or(high, i64.extend_i32_u(i64.ne(low, 0)))),
      set(expA, i32.sub(i32.add(expA, expB), format.bias - 1)),
      when(i64.eqz(i64.shr_u(high, LEADING_BIT)), [
        set(high, i64.shl(high, 1)),
        set(expA, i32.sub(expA, 1)),
      ]),
      ret(call(roundPack, sign, expA, high, rm)),
    ];
  });
}

export function defineMultiply<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<B> {
  const { host, bits } = format;
  const exact = defineExactMultiply(unit, format, roundPack);
  return unit.module.define(`${format.name}_mul`, [bits, bits, "i32"], bits, (a, b, rm) => {
    const [x, y, product, raw] = [host.local(), host.local(), host.local(), i64.local()];
    const isHostZero = (value: Local<H>) => host.eq(value, host.const(0));
    return [
      set(x, format.value(format.raw(a))),
      set(y, format.value(format.raw(b))),
      set(product, host.mul(x, y)),
      set(raw, format.rawOf(product)),
      // A finite product above the least normal has neither overflowed nor underflowed, and none of
      // its operands is special: inexact is the only flag it can raise.
      whenLikely(i32.and(i32.eqz(rm), isAboveLeastNormal(format, raw)), [
        whenLikely(inexactIsSet(unit.flags), [ret(format.bitsOf(raw))]),
        when(format.isExactProduct(x, y, product), [ret(format.bitsOf(raw))]),
      ]),
      // A zero is exact in every mode when an operand is zero, and not the product of two tiny ones.
      when(i32.and(isHostZero(product), i32.or(isHostZero(x), isHostZero(y))), [
        ret(format.bitsOf(raw)),
      ]),
      ret(format.bitsOf(call(exact, format.raw(a), format.raw(b), rm))),
    ];
  });
}
