/** Addition and subtraction (IEEE 754-2019, 5.4.1 and 6.3). */
import {
  call,
  type Expr,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  letIn,
  ret,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import { clampShift, LEADING_BIT, shiftRightSticky } from "./round-pack.ts";
import { inexactIsSet, Rounding, type Unit } from "./unit.ts";
import {
  any,
  exponentOf,
  isFiniteBits,
  isInfinite,
  isNanBits,
  magnitude,
  returnInvalid,
  returnNaN,
  signOf,
} from "./unpack.ts";

/** The sign of a sum that is exactly zero, of operands with different signs (6.3). */
export function cancelledSign(signBit: bigint, rm: I32): I64 {
  return i64.select(i32.eq(rm, Rounding.down), signBit, 0);
}

/**
 * The error of a rounded sum: Knuth's 2Sum, exact when no step overflows. An overflow on the way
 * makes it infinite or NaN, and never zero.
 */
export function sumError<B extends BitsType, H extends HostType>(
  { host }: Format<B, H>,
  x: Expr<H>,
  y: Expr<H>,
  sum: Expr<H>,
): Expr<H> {
  return letIn(host.sub(sum, x), (yPart) =>
    host.add(host.sub(x, host.sub(sum, yPart)), host.sub(y, yPart)),
  );
}

/** Raw bits of a + b, where one of them is not finite. */
function specialSum<B extends BitsType, H extends HostType>(
  { flags }: Unit,
  format: Format<B, H>,
  a: I64,
  b: I64,
): Stmt[] {
  const opposite = i64.ne(i64.and(i64.xor(a, b), format.signBit), 0);
  const bothInfinite = i32.and(isInfinite(format, a), isInfinite(format, b));
  return [
    when(any(isNanBits(format, a), isNanBits(format, b)), returnNaN(flags, format, a, b)),
    when(i32.and(bothInfinite, opposite), returnInvalid(flags, format)),
    ret(i64.select(isInfinite(format, a), a, b)),
  ];
}

/** `(a, b, rm) -> raw` in integers: every operand, mode and flag. */
export function defineExactAdd<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
): Func<"i64"> {
  // One bit below the place where it is rounded: the sum may carry.
  const align = LEADING_BIT - 1 - format.fractionBits;
  const name = `${format.name}_exact_add`;
  return unit.module.define(name, ["i64", "i64", "i32"], "i64", (a, b, rm) => {
    const [swap, sigA, sigB, shift] = [i64.local(), i64.local(), i64.local(), i64.local()];
    const [expA, expB] = [i32.local(), i32.local()];
    const part = (raw: I64, exponent: Local<"i32">, sig: Local<"i64">): Stmt[] => [
      set(exponent, exponentOf(format, raw)),
      set(sig, i64.and(raw, format.hiddenBit - 1n)),
      when(i32.eqz(exponent), [set(exponent, 1)], [set(sig, i64.or(sig, format.hiddenBit))]),
      set(sig, i64.shl(sig, align)),
    ];
    const sameSign = i64.eqz(i64.and(i64.xor(a, b), format.signBit));
    return [
      when(
        i32.eqz(i32.and(isFiniteBits(format, a), isFiniteBits(format, b))),
        specialSum(unit, format, a, b),
      ),
      when(i64.lt_u(magnitude(format, a), magnitude(format, b)), [
        set(swap, a),
        set(a, b),
        set(b, swap),
      ]),
      ...part(a, expA, sigA),
      ...part(b, expB, sigB),
      // The smaller operand has guard bits below its last place, so a sticky bit is enough even when
      // the subtraction cancels: a shift by more than one leaves at most one bit cancelled.
      set(sigB, shiftRightSticky(sigB, clampShift(i32.sub(expA, expB)))),
      when(
        sameSign,
        [set(sigA, i64.add(sigA, sigB)), when(i64.eqz(sigA), [ret(a)])],
        [
          set(sigA, i64.sub(sigA, sigB)),
          when(i64.eqz(sigA), [ret(cancelledSign(format.signBit, rm))]),
        ],
      ),
      set(shift, i64.sub(i64.clz(sigA), 63 - LEADING_BIT)),
      ret(
        call(
          roundPack,
          signOf(format, a),
          i32.sub(i32.add(expA, 1), i32.wrap_i64(shift)),
          i64.shl(sigA, shift),
          rm,
        ),
      ),
    ];
  });
}

/** `a + b`, or `a - b` with `subtract`. */
export function defineAdd<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
  exactAdd: Func<"i64">,
  subtract: boolean,
): Func<B> {
  const { host, bits } = format;
  const name = `${format.name}_${subtract ? "sub" : "add"}`;
  return module.define(name, [bits, bits, "i32"], bits, (a, b, rm) => {
    const [x, y, sum, raw] = [host.local(), host.local(), host.local(), i64.local()];
    const rawB = format.raw(b);
    return [
      set(x, format.value(format.raw(a))),
      set(y, format.value(rawB)),
      set(sum, subtract ? host.sub(x, y) : host.add(x, y)),
      set(raw, format.rawOf(sum)),
      // A finite sum is of finite operands and has not overflowed, and a sum below the normal range is
      // always exact: inexact is the only flag it can raise.
      whenLikely(i32.and(i32.eqz(rm), isFiniteBits(format, raw)), [
        whenLikely(inexactIsSet(flags), [ret(format.bitsOf(raw))]),
        when(host.eq(sumError(format, x, subtract ? host.neg(y) : y, sum), host.const(0)), [
          ret(format.bitsOf(raw)),
        ]),
      ]),
      // The sign of a NaN says nothing, so that subtracting is adding the opposite.
      ret(
        format.bitsOf(
          call(exactAdd, format.raw(a), subtract ? i64.xor(rawB, format.signBit) : rawB, rm),
        ),
      ),
    ];
  });
}
