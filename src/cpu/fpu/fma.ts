/** Fused multiply-add in integers of 128 bits: every operand, mode and flag (IEEE 754-2019, 5.4.1). */
import {
  call,
  type Func,
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
import { cancelledSign } from "./add.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import { multiplyWide } from "./multiply.ts";
import { clampShift, LEADING_BIT } from "./round-pack.ts";
import type { Unit } from "./unit.ts";
import {
  any,
  isFiniteBits,
  isInfinite,
  isNanBits,
  isZero,
  returnInvalid,
  returnNaN,
  unpack,
} from "./unpack.ts";

/** A 128-bit number in two variables. */
interface Wide {
  readonly high: Local<"i64">;
  readonly low: Local<"i64">;
}

/** Where a significand in [1, 2) has its leading one in the upper half: a product and a sum fit above. */
const PLACE = 59;

function wide(): Wide {
  return { high: i64.local(), low: i64.local() };
}

/** Shifts right by `distance` >= 0 and keeps the bits that are lost in the lowest one, as "sticky". */
function shiftWideRightSticky({ high, low }: Wide, distance: Local<"i32">): Stmt[] {
  const shift = i64.local();
  const lost = i64.and(low, i64.sub(i64.shl(1, shift), 1));
  // Two shifts for one by 64 - shift, which would be no shift at all for 64.
  const carried = i64.shl(i64.shl(high, 1), i64.sub(63, shift));
  return [
    when(i32.ge_s(distance, 64), [
      set(low, i64.or(high, i64.extend_i32_u(i64.ne(low, 0)))),
      set(high, 0),
      set(distance, i32.sub(distance, 64)),
    ]),
    set(shift, clampShift(distance)),
    set(low, i64.or(i64.or(i64.shr_u(low, shift), carried), i64.extend_i32_u(i64.ne(lost, 0)))),
    set(high, i64.shr_u(high, shift)),
  ];
}

/** `sum += other`. */
function addWide(sum: Wide, other: Wide): Stmt[] {
  return [
    set(sum.low, i64.add(sum.low, other.low)),
    set(
      sum.high,
      i64.add(i64.add(sum.high, other.high), i64.extend_i32_u(i64.lt_u(sum.low, other.low))),
    ),
  ];
}

/** `sum = |sum - other|`, with `sign` flipped when the difference is negative. */
function subtractWide(sum: Wide, other: Wide, sign: Local<"i64">, signBit: bigint): Stmt[] {
  const borrow = i64.local();
  return [
    set(borrow, i64.extend_i32_u(i64.lt_u(sum.low, other.low))),
    set(sum.low, i64.sub(sum.low, other.low)),
    set(sum.high, i64.sub(i64.sub(sum.high, other.high), borrow)),
    when(i64.lt_s(sum.high, 0), [
      set(sum.low, i64.sub(0, sum.low)),
      set(sum.high, i64.add(i64.xor(sum.high, -1), i64.extend_i32_u(i64.eqz(sum.low)))),
      set(sign, i64.xor(sign, signBit)),
    ]),
  ];
}

/** Shifts a number that is not zero left until its leading one is where rounding wants it. */
function normalise({ high, low }: Wide, exponent: Local<"i32">): Stmt[] {
  const shift = i64.local();
  return [
    // Only operands that are nearly opposite cancel so far, and then no bit below the seventeenth is
    // set: neither half is left empty.
    when(i64.eqz(high), [
      set(high, i64.shr_u(low, 1)),
      set(low, i64.shl(low, 63)),
      set(exponent, i32.sub(exponent, 63)),
    ]),
    set(shift, i64.sub(i64.clz(high), 63 - LEADING_BIT)),
    set(high, i64.or(i64.shl(high, shift), i64.shr_u(i64.shr_u(low, 1), i64.sub(63, shift)))),
    set(low, i64.shl(low, shift)),
    set(exponent, i32.sub(i32.add(exponent, LEADING_BIT - PLACE), i32.wrap_i64(shift))),
  ];
}

/** Raw bits of a * b + c, where one of them is not finite. */
function specialFma<B extends BitsType, H extends HostType>(
  { flags }: Unit,
  format: Format<B, H>,
  [a, b, c]: readonly [I64, I64, I64],
  sign: I64,
): Stmt[] {
  const zeroTimesInfinity = i32.or(
    i32.and(isInfinite(format, a), isZero(format, b)),
    i32.and(isZero(format, a), isInfinite(format, b)),
  );
  const opposite = i64.ne(i64.and(i64.xor(c, sign), format.signBit), 0);
  return [
    // Invalid even when c is a quiet NaN (RISC-V Unprivileged ISA, 20.6).
    when(zeroTimesInfinity, returnInvalid(flags, format)),
    when(any(isNanBits(format, a), isNanBits(format, b), isNanBits(format, c)), [
      ...returnNaN(flags, format, a, b, c),
    ]),
    when(i32.and(isFiniteBits(format, a), isFiniteBits(format, b)), [ret(c)]),
    when(i32.and(isInfinite(format, c), opposite), returnInvalid(flags, format)),
    ret(i64.or(sign, format.infinity)),
  ];
}

/** Raw bits of a * b + c, where a or b is zero: exact. */
function zeroProductFma<B extends BitsType, H extends HostType>(
  format: Format<B, H>,
  c: I64,
  sign: I64,
  rm: I32,
): Stmt[] {
  return [
    when(i32.and(isZero(format, c), i64.ne(c, sign)), [ret(cancelledSign(format.signBit, rm))]),
    ret(c),
  ];
}

/** `(a, b, c, rm) -> raw`. */
export function defineExactFma<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  const params = ["i64", "i64", "i64", "i32"] as const;
  return unit.module.define(`${format.name}_exact_fma`, params, "i64", (a, b, c, rm) => {
    const [sign, sigA, sigB] = [i64.local(), i64.local(), i64.local()];
    const [exponent, expB, expC, distance] = [i32.local(), i32.local(), i32.local(), i32.local()];
    const [product, addend] = [wide(), wide()];
    const allFinite = i32.and(
      i32.and(isFiniteBits(format, a), isFiniteBits(format, b)),
      isFiniteBits(format, c),
    );
    return [
      set(sign, i64.and(i64.xor(a, b), format.signBit)),
      when(i32.eqz(allFinite), specialFma(unit, format, [a, b, c], sign)),
      when(any(isZero(format, a), isZero(format, b)), zeroProductFma(format, c, sign, rm)),
      ...unpack(format, a, exponent, sigA),
      ...unpack(format, b, expB, sigB),
      ...unpack(format, c, expC, addend.high),
      set(exponent, i32.sub(i32.add(exponent, expB), format.bias)),
      // A zero has a significand of zero, and no exponent of its own.
      when(isZero(format, c), [set(expC, exponent)]),
      set(sigA, i64.shl(sigA, PLACE + 3 - format.fractionBits)),
      set(sigB, i64.shl(sigB, PLACE + 2 - format.fractionBits)),
      ...multiplyWide(sigA, sigB, product.high, product.low),
      set(addend.high, i64.shl(addend.high, PLACE - format.fractionBits)),
      set(addend.low, 0),
      set(distance, i32.sub(exponent, expC)),
      when(i32.ge_s(distance, 0), shiftWideRightSticky(addend, distance), [
        set(exponent, expC),
        set(distance, i32.sub(0, distance)),
        ...shiftWideRightSticky(product, distance),
      ]),
      when(i64.eqz(i64.and(i64.xor(sign, c), format.signBit)), addWide(product, addend), [
        ...subtractWide(product, addend, sign, format.signBit),
        when(i64.eqz(i64.or(product.high, product.low)), [ret(cancelledSign(format.signBit, rm))]),
      ]),
      ...normalise(product, exponent),
      set(sigA, i64.or(product.high, i64.extend_i32_u(i64.ne(product.low, 0)))),
      ret(call(roundPack, sign, exponent, sigA, rm)),
    ];
  });
}
