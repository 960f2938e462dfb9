/** Fused multiply-add on the host's arithmetic where that is provably exact, else in integers. */
import {
  call,
  type Expr,
  type Func,
  f32,
  f64,
  type I32,
  i32,
  i64,
  type Local,
  ret,
  type Stmt,
  set,
  when,
  whenLikely,
} from "../../wasm/expr.ts";
import { sumError } from "./add.ts";
import { BINARY32, BINARY64 } from "./format.ts";
import { inexactIsSet, type Unit } from "./unit.ts";
import { isAboveLeastNormal } from "./unpack.ts";

/** The bits of a binary64 significand that binary32 has no place for, and a tie in them. */
const NARROWED = 0x1fff_ffff;
const NARROWED_TIE = 0x1000_0000;

/**
 * binary32: the product is exact in binary64, so its sum with c is rounded twice, to 53 and to 24 bits.
 * That differs from rounding once only if the first rounding, which 2Sum tells, arrived at a tie of
 * the second: any other sum lies on the same side of every tie as the exact value does.
 */
export function defineFmaF32({ module, flags }: Unit, exactFma: Func<"i64">): Func<"i32"> {
  const params = ["i32", "i32", "i32", "i32"] as const;
  return module.define("f32_fma", params, "i32", (a, b, c, rm) => {
    const [product, addend, sum] = [f64.local(), f64.local(), f64.local()];
    const [isExact, raw] = [i32.local(), i64.local()];
    const result = f32.local();
    const wide = (bits: Expr<"i32">) => f64.promote_f32(f32.reinterpret_i32(bits));
    const low = i64.and(i64.reinterpret_f64(sum), NARROWED);
    const roundsOnce = i32.or(isExact, i64.ne(low, NARROWED_TIE));
    const give = [ret(i32.reinterpret_f32(result))];
    return [
      whenLikely(i32.eqz(rm), [
        set(product, f64.mul(wide(a), wide(b))),
        set(addend, wide(c)),
        set(sum, f64.add(product, addend)),
        set(result, f32.demote_f64(sum)),
        set(raw, BINARY32.rawOf(result)),
        set(isExact, f64.eq(sumError(BINARY64, product, addend, sum), f64.const(0))),
        // Above the least normal and finite: nothing but inexact can be raised.
        whenLikely(
          i32.and(i32.and(isAboveLeastNormal(BINARY32, raw), inexactIsSet(flags)), roundsOnce),
          give,
        ),
        // No rounding took place at all, which also covers zeros and subnormals.
        when(i32.and(isExact, f64.eq(f64.promote_f32(result), sum)), give),
      ]),
      ret(i32.wrap_i64(call(exactFma, BINARY32.raw(a), BINARY32.raw(b), BINARY32.raw(c), rm))),
    ];
  });
}

/** Exponents of binary64 between which no step of `defineFmaF64` overflows or loses a bit below. */
const FACTOR_EXPONENTS = { least: 1023 - 450, beyond: 1023 + 500 } as const;
const ADDEND_BEYOND = 1023 + 1000;

function exponentField(bits: Expr<"i64">): I32 {
  return i32.and(i32.wrap_i64(i64.shr_u(bits, 52)), 0x7ff);
}

function isModerateFactor(bits: Expr<"i64">): I32 {
  const { least, beyond } = FACTOR_EXPONENTS;
  return i32.lt_u(i32.sub(exponentField(bits), least), beyond - least);
}

/** Half the unit of the part that `splitHigh` keeps. */
const SPLIT_HALF = 0x400_0000;

/** The upper 26 significant bits, to nearest: what is left then has 26 as well, with its sign. */
function splitHigh(bits: Expr<"i64">): Expr<"f64"> {
  return f64.reinterpret_i64(i64.and(i64.add(bits, SPLIT_HALF), -2 * SPLIT_HALF));
}

/**
 * Sets `error` to `a * b - product`: Dekker's product. In units u of the last places of a and b, each
 * partial sum is exact: the first is a multiple of 2^52 u below 2^81 u, the second of 2^27 u and at
 * most 2^80 u, the third and the fourth are of u and at most 2^53 u.
 */
function setProductError(
  a: Local<"i64">,
  b: Local<"i64">,
  product: Expr<"f64">,
  error: Local<"f64">,
): Stmt[] {
  const [highA, lowA, highB, lowB] = [f64.local(), f64.local(), f64.local(), f64.local()];
  const first = f64.sub(f64.mul(highA, highB), product);
  const third = f64.add(f64.add(first, f64.mul(highA, lowB)), f64.mul(lowA, highB));
  return [
    set(highA, splitHigh(a)),
    set(lowA, f64.sub(f64.reinterpret_i64(a), highA)),
    set(highB, splitHigh(b)),
    set(lowB, f64.sub(f64.reinterpret_i64(b), highB)),
    set(error, f64.add(third, f64.mul(lowA, lowB))),
  ];
}

/**
 * binary64: a * b + c is `sum + rest`, where rest is the error of the product and that of the sum.
 * If the rest is exact, one addition rounds once. Else it is within a relative 2^-53, and when both
 * ends of that interval round to the same result, so does everything between them (Ziv's test).
 *
 * The exponents are limited so that the product's error is not cut off below, and nothing overflows.
 * Results below the normal range are then exact: every part is a multiple of the least subnormal.
 */
export function defineFmaF64({ module, flags }: Unit, exactFma: Func<"i64">): Func<"i64"> {
  const params = ["i64", "i64", "i64", "i32"] as const;
  return module.define("f64_fma", params, "i64", (a, b, c, rm) => {
    const [product, addend, sum] = [f64.local(), f64.local(), f64.local()];
    const [productRest, sumRest, rest] = [f64.local(), f64.local(), f64.local()];
    const x = f64.reinterpret_i64(a);
    const y = f64.reinterpret_i64(b);
    const moderate = i32.and(
      i32.and(isModerateFactor(a), isModerateFactor(b)),
      i32.lt_u(exponentField(c), ADDEND_BEYOND),
    );
    const isZero = (value: Expr<"f64">) => f64.eq(value, f64.const(0));
    const restIsExact = i32.or(isZero(sumRest), isZero(productRest));
    // One unit more than 2^-53, so that rounding the ends themselves does not move them inside.
    const end = (relative: number) => f64.add(sum, f64.mul(rest, f64.const(1 + relative)));
    const endsAgree = f64.eq(end(2 ** -52), end(-(2 ** -52)));
    const noRest = i32.and(isZero(sumRest), isZero(productRest));
    return [
      whenLikely(i32.and(i32.eqz(rm), moderate), [
        set(product, f64.mul(x, y)),
        set(addend, f64.reinterpret_i64(c)),
        set(sum, f64.add(product, addend)),
        ...setProductError(a, b, product, productRest),
        set(sumRest, sumError(BINARY64, product, addend, sum)),
        whenLikely(
          inexactIsSet(flags),
          [
            set(rest, f64.add(sumRest, productRest)),
            whenLikely(i32.or(endsAgree, restIsExact), [
              ret(i64.reinterpret_f64(f64.add(sum, rest))),
            ]),
          ],
          [when(noRest, [ret(i64.reinterpret_f64(sum))])],
        ),
      ]),
      ret(call(exactFma, a, b, c, rm)),
    ];
  });
}
