/** Rounding to a format, with the flags of it (IEEE 754-2019, 4.3 and 7.4 to 7.6). */
import { FFlags } from "../../isa/fpu.ts";
import {
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  ret,
  type Stmt,
  set,
  when,
  whenUnlikely,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import { Rounding, type Unit } from "./unit.ts";

/** The place of the leading one of a significand that is to be rounded. */
export const LEADING_BIT = 62;

/**
 * Shifts right, and keeps in the lowest bit whether a one was lost ("sticky"): enough to round by.
 * The leading one is below bit 63, so that a shift by 63 stands for every longer one.
 */
export function shiftRightSticky(value: I64, distance: I64): I64 {
  const lost = i64.and(value, i64.sub(i64.shl(1, distance), 1));
  return i64.or(i64.shr_u(value, distance), i64.extend_i32_u(i64.ne(lost, 0)));
}

/** A shift distance as an i64, at most 63. */
export function clampShift(distance: I32): I64 {
  return i64.extend_i32_u(i32.select(i32.lt_s(distance, 63), distance, 63));
}

/** What is added below the last place, so that cutting off the excess bits rounds by `rm`. */
function increment(sign: I64, rm: I32, half: bigint, excess: bigint): I64 {
  const away = i32.select(i64.eqz(sign), Rounding.up, Rounding.down);
  const isNearest = i32.eqz(i32.and(rm, 3));
  return i64.select(isNearest, half, i64.select(i32.eq(rm, away), excess, 0));
}

/**
 * `(sign, exponent, significand, rm) -> raw`: rounds `significand / 2^62 * 2^(exponent - bias)` and
 * accrues overflow, underflow and inexact. The significand has its leading one at bit 62, and its
 * lowest bit is sticky. Tininess is detected after rounding (RISC-V Unprivileged ISA, 20.2).
 */
export function defineRoundPack<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
): Func<"i64"> {
  const excessBits = LEADING_BIT - format.fractionBits;
  const excess = (1n << BigInt(excessBits)) - 1n;
  const half = 1n << BigInt(excessBits - 1);
  const name = `${format.name}_round_pack`;
  return module.define(name, ["i64", "i32", "i64", "i32"], "i64", (sign, exponent, sig, rm) => {
    const [added, cut, tiny] = [i64.local(), i64.local(), i32.local()];
    const carries = () => i64.lt_s(i64.add(sig, added), 0);
    const overflow: Stmt[] = [
      when(i32.or(i32.ge_s(exponent, format.maxExponent), carries()), [
        flags.accrue(FFlags.OF | FFlags.NX),
        // 7.4: a mode that does not round away from zero stops at the largest finite number.
        ret(i64.or(sign, i64.sub(format.infinity, i64.extend_i32_u(i64.eqz(added))))),
      ]),
    ];
    const underflow: Stmt[] = [
      // With exponents unbounded below, the value would still round to one below the least normal.
      set(tiny, i32.or(i32.lt_s(exponent, 0), i32.eqz(carries()))),
      set(sig, shiftRightSticky(sig, clampShift(i32.sub(1, exponent)))),
      set(exponent, 1),
    ];
    return [
      set(added, increment(sign, rm, half, excess)),
      whenUnlikely(i32.ge_u(i32.sub(exponent, 1), format.maxExponent - 2), [
        when(i32.le_s(exponent, 0), underflow, overflow),
      ]),
      set(cut, i64.and(sig, excess)),
      set(sig, i64.shr_u(i64.add(sig, added), excessBits)),
      when(i64.ne(cut, 0), [
        flags.accrue(i32.select(tiny, FFlags.UF | FFlags.NX, FFlags.NX)),
        // A tie was rounded up: to even means down again when that made it odd.
        when(i32.and(i32.eqz(rm), i64.eq(cut, half)), [set(sig, i64.and(sig, -2))]),
      ]),
      // The hidden bit adds one to the exponent field, and a carry out of the fraction another.
      set(sig, i64.add(sig, i64.shl(i64.extend_i32_u(i32.sub(exponent, 1)), format.fractionBits))),
      ret(i64.or(sign, sig)),
    ];
  });
}
