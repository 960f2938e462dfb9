/** Comparison, minimum and maximum, classification (RISC-V Unprivileged ISA, 20.6, 20.8, 20.9). */
import { FFlags } from "../../isa/fpu.ts";
import {
  type Expr,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  ret,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import type { BitsType, Format, HostType } from "./format.ts";
import type { Unit } from "./unit.ts";
import { isInfinite, isNanBits, isSignalling, isZero, magnitude, signalNaNs } from "./unpack.ts";

/** FEQ is a quiet comparison, FLT and FLE are signalling ones (IEEE 754-2019, 5.11). */
export function defineCompare<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
  predicate: "eq" | "lt" | "le",
): Func<"i64"> {
  const { host, bits } = format;
  return module.define(`${format.name}_${predicate}`, [bits, bits], "i64", (a, b) => {
    const [x, y] = [host.local(), host.local()];
    const ordered = i32.and(host.eq(x, x), host.eq(y, y));
    const invalid =
      predicate === "eq"
        ? signalNaNs(flags, format, format.raw(a), format.raw(b))
        : flags.accrue(FFlags.NV);
    return [
      set(x, format.value(format.raw(a))),
      set(y, format.value(format.raw(b))),
      whenLikely(ordered, [ret(i64.extend_i32_u(host[predicate](x, y)))]),
      invalid,
      ret(i64.const(0)),
    ];
  });
}

/** minimumNumber and maximumNumber (IEEE 754-2019, 9.6), with a canonical NaN for two NaNs. */
export function defineMinMax<B extends BitsType, H extends HostType>(
  { module, flags }: Unit,
  format: Format<B, H>,
  which: "min" | "max",
): Func<B> {
  const { host, bits } = format;
  return module.define(`${format.name}_${which}`, [bits, bits], bits, (a, b) => {
    const [x, y, rawA, rawB] = [host.local(), host.local(), i64.local(), i64.local()];
    const [first, second] = which === "min" ? [x, y] : [y, x];
    const equal: I64 = which === "min" ? i64.or(rawA, rawB) : i64.and(rawA, rawB);
    const give = (raw: I64): [ReturnType<typeof ret>] => [ret(format.bitsOf(raw))];
    return [
      set(rawA, format.raw(a)),
      set(rawB, format.raw(b)),
      set(x, format.value(rawA)),
      set(y, format.value(rawB)),
      when(host.lt(first, second), give(rawA)),
      when(host.lt(second, first), give(rawB)),
      // Equal values differ in their bits only as zeros do, in the sign.
      when(host.eq(x, y), give(equal)),
      signalNaNs(flags, format, rawA, rawB),
      when(i32.eqz(isNanBits(format, rawA)), give(rawA)),
      when(i32.eqz(isNanBits(format, rawB)), give(rawB)),
      ret(format.bitsOf(i64.const(format.canonicalNaN))),
    ];
  });
}

/** The bits of the result of FCLASS, for a positive and for a negative operand. */
const CLASS = {
  infinite: [7, 0],
  normal: [6, 1],
  subnormal: [5, 2],
  zero: [4, 3],
  signalling: 8,
  quiet: 9,
} as const;

export function defineClassify<B extends BitsType, H extends HostType>(
  { module }: Unit,
  format: Format<B, H>,
): Func<"i64"> {
  return module.define(`${format.name}_classify`, [format.bits], "i64", (a) => {
    const raw = i64.local();
    const bit = (k: number): Expr<"i64"> => i64.const(1 << k);
    const signed = ([positive, negative]: readonly [number, number]) => [
      ret(i64.select(i64.ne(i64.and(raw, format.signBit), 0), bit(negative), bit(positive))),
    ];
    const isSubnormal: I32 = i64.lt_u(magnitude(format, raw), format.hiddenBit);
    return [
      set(raw, format.raw(a)),
      when(isSignalling(format, raw), [ret(bit(CLASS.signalling))]),
      when(isNanBits(format, raw), [ret(bit(CLASS.quiet))]),
      when(isInfinite(format, raw), signed(CLASS.infinite)),
      when(isZero(format, raw), signed(CLASS.zero)),
      when(isSubnormal, signed(CLASS.subnormal)),
      ...signed(CLASS.normal),
    ];
  });
}
