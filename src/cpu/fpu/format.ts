/**
 * The two interchange formats of the F and D extensions (IEEE 754-2019, 3.4 and table 3.5).
 *
 * Everything below works on *raw* bits: the encoding of a value, zero-extended into an i64, so that
 * binary32 and binary64 share one source.
 */
import {
  type Arg,
  type Expr,
  f32,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
} from "../../wasm/expr.ts";

/** How a value lies in a register operand of the functions, and the host type that computes it. */
export type BitsType = "i32" | "i64";
export type HostType = "f32" | "f64";

/** The host operations on a format: IEEE 754 in round-to-nearest-even, without flags. */
interface HostOps<H extends HostType> {
  local(): Local<H>;
  const(value: number): Expr<H>;
  add(a: Arg<H>, b: Arg<H>): Expr<H>;
  sub(a: Arg<H>, b: Arg<H>): Expr<H>;
  mul(a: Arg<H>, b: Arg<H>): Expr<H>;
  div(a: Arg<H>, b: Arg<H>): Expr<H>;
  sqrt(a: Arg<H>): Expr<H>;
  neg(a: Arg<H>): Expr<H>;
  eq(a: Arg<H>, b: Arg<H>): I32;
  lt(a: Arg<H>, b: Arg<H>): I32;
  le(a: Arg<H>, b: Arg<H>): I32;
}

export interface Format<B extends BitsType, H extends HostType> {
  readonly name: H;
  readonly bits: B;
  readonly host: HostOps<H>;
  readonly fractionBits: number;
  readonly bias: number;
  /** The biased exponent of infinities and NaNs. */
  readonly maxExponent: number;
  readonly signBit: bigint;
  /** The hidden bit of a normal significand, which is also the encoding of the least normal. */
  readonly hiddenBit: bigint;
  readonly infinity: bigint;
  /** The fraction bit that tells a quiet NaN from a signalling one (IEEE 754-2019, 6.2.1). */
  readonly quietBit: bigint;
  /** RISC-V Unprivileged ISA, 20.3: the one NaN that operations return. */
  readonly canonicalNaN: bigint;
  /** The operand of a function, to raw bits and back. */
  raw(bits: Expr<B>): I64;
  bitsOf(raw: I64): Expr<B>;
  /** Raw bits to the host's value and back. */
  value(raw: I64): Expr<H>;
  rawOf(value: Expr<H>): I64;
  /**
   * Whether `x * y` is `product` with no rounding, for finite values with a normal product. It may
   * answer no for an exact product of binary64. Operands are evaluated more than once.
   */
  isExactProduct(x: Expr<H>, y: Expr<H>, product: Expr<H>): I32;
}

function layout(exponentBits: number, fractionBits: number) {
  const hiddenBit = 1n << BigInt(fractionBits);
  const maxExponent = 2 ** exponentBits - 1;
  const infinity = BigInt(maxExponent) * hiddenBit;
  const quietBit = hiddenBit >> 1n;
  return {
    fractionBits,
    bias: 2 ** (exponentBits - 1) - 1,
    maxExponent,
    signBit: 1n << BigInt(exponentBits + fractionBits),
    hiddenBit,
    infinity,
    quietBit,
    canonicalNaN: infinity | quietBit,
  };
}

export const BINARY32: Format<"i32", "f32"> = {
  name: "f32",
  bits: "i32",
  host: f32,
  ...layout(8, 23),
  raw: (bits) => i64.extend_i32_u(bits),
  bitsOf: (raw) => i32.wrap_i64(raw),
  value: (raw) => f32.reinterpret_i32(i32.wrap_i64(raw)),
  rawOf: (value) => i64.extend_i32_u(i32.reinterpret_f32(value)),
  // Two significands of 24 bits have a product of 48, and the exponents of binary64 are wide enough:
  // the product in binary64 is the exact one.
  isExactProduct: (x, y, product) =>
    f64.eq(f64.mul(f64.promote_f32(x), f64.promote_f32(y)), f64.promote_f32(product)),
};

/** The low half of a binary64 significand: a value without it has at most 26 significant bits. */
const LOW_HALF = 0x7ff_ffff;

export const BINARY64: Format<"i64", "f64"> = {
  name: "f64",
  bits: "i64",
  host: f64,
  ...layout(11, 52),
  raw: (bits) => bits,
  bitsOf: (raw) => raw,
  value: (raw) => f64.reinterpret_i64(raw),
  rawOf: (value) => i64.reinterpret_f64(value),
  // Two significands of 26 bits have a product of 52, so the host does not round it.
  isExactProduct: (x, y, product) =>
    i32.and(
      i64.eqz(i64.and(i64.or(i64.reinterpret_f64(x), i64.reinterpret_f64(y)), LOW_HALF)),
      i32.and(f64.eq(f64.mul(x, y), product), f64.ge(f64.abs(product), 2 ** -1022)),
    ),
};
