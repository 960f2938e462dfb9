/** Operand values that find mistakes: edges first, then numbers close to each other, then any. */
import type { Random } from "./random.ts";

const MASK = (1n << 64n) - 1n;

const INTEGER_EDGES: readonly bigint[] = [
  ...[0n, 1n, 2n, 3n, 7n, 31n, 32n, 33n, 63n, 64n, 65n],
  ...[7n, 8n, 15n, 16n, 31n, 32n, 62n, 63n].flatMap((k) => {
    const power = 1n << k;
    return [power - 1n, power, power + 1n, -power, -power - 1n, -power + 1n];
  }),
  ...[-1n, -2n, 0x5555_5555_5555_5555n, 0xaaaa_aaaa_aaaa_aaaan, 0x0123_4567_89ab_cdefn],
  ...[0x8000_0000_8000_0000n, 0x7fff_ffff_ffff_ff80n, 0xffff_ffff_8000_0000n],
].map((value) => value & MASK);

export function integer(random: Random): bigint {
  const kind = random.below(10);
  if (kind < 5) return random.pick(INTEGER_EDGES);
  if (kind < 7) return BigInt.asUintN(64, BigInt.asIntN(32, random.u64()));
  // A random number of significant bits, so that magnitudes are spread evenly.
  if (kind < 9) return random.u64() >> BigInt(random.below(64));
  return random.u64();
}

/** What distinguishes the two formats: bits of the fraction and of the exponent. */
interface Format {
  readonly fraction: number;
  readonly exponent: number;
  readonly edges: readonly bigint[];
}

function format(fraction: number, exponent: number): Format {
  const f = BigInt(fraction);
  const sign = 1n << (f + BigInt(exponent));
  const top = (1n << BigInt(exponent)) - 1n;
  const bias = top >> 1n;
  const make = (e: bigint, m: bigint): bigint => (e << f) | m;
  const ones = (1n << f) - 1n;
  // The integer limits of the conversions, the largest number below each and the halves around.
  const limits = [31n, 32n, 63n, 64n].flatMap((k) => [
    make(bias + k, 0n),
    make(bias + k - 1n, ones),
    make(bias + k, 1n),
  ]);
  const positive = [
    ...[make(0n, 0n), make(0n, 1n), make(0n, 2n), make(0n, ones), make(0n, ones >> 1n)],
    ...[make(1n, 0n), make(1n, 1n), make(2n, 0n), make(top - 1n, ones), make(top - 1n, 0n)],
    ...[make(bias, 0n), make(bias, 1n), make(bias - 1n, ones), make(bias - 1n, 0n)],
    ...[make(bias, 1n << (f - 1n)), make(bias + 1n, 1n << (f - 2n)), make(bias - 2n, 0n)],
    ...[make(bias + f, 1n), make(bias + f + 1n, 3n), make(bias + f, 0n), make(bias - 1n, 1n)],
    ...[make(top, 0n), make(top, 1n << (f - 1n)), make(top, 1n), make(top, ones)],
    ...[make(bias + 30n, ones), make(bias + 31n, ones), make(bias / 2n, 0n), make(bias / 2n, 1n)],
    ...[make(bias + bias / 2n, 0n), make(bias + bias / 2n, ones)],
    ...limits,
  ];
  return { fraction, exponent, edges: positive.flatMap((value) => [value, value | sign]) };
}

const SINGLE = format(23, 8);
const DOUBLE = format(52, 11);

function floating({ fraction, exponent, edges }: Format, random: Random): bigint {
  const width = fraction + exponent + 1;
  const any = random.u64() & ((1n << BigInt(width)) - 1n);
  const kind = random.below(10);
  if (kind < 4) return random.pick(edges);
  if (kind < 5) return any;
  const bias = 2 ** (exponent - 1) - 1;
  // Exponents near each other let sums cancel and round; those at the ends overflow and underflow.
  const centre = kind < 8 ? bias : random.pick([1, bias - fraction, bias + fraction, 2 * bias]);
  const e = Math.min(Math.max(centre + random.below(9) - 4, 0), 2 * bias + 1);
  const sparse = random.chance(40) ? 1n << BigInt(random.below(fraction)) : any;
  const mantissa = sparse & ((1n << BigInt(fraction)) - 1n);
  const sign = (any >> BigInt(width - 1)) << BigInt(width - 1);
  return sign | (BigInt(e) << BigInt(fraction)) | mantissa;
}

/** A register value for a single-precision operand: one in twelve is not boxed properly. */
export function single(random: Random): bigint {
  const bits = floating(SINGLE, random);
  if (random.below(12) > 0) return 0xffff_ffff_0000_0000n | bits;
  const wrong = random.pick([0n, 0x7fff_ffffn, 0xffff_fffen, BigInt(random.u32())]);
  return (wrong << 32n) | bits;
}

export function double(random: Random): bigint {
  return floating(DOUBLE, random);
}

/** The value beside `bits`: the same magnitude, perhaps the other sign, a few units away. */
export function neighbour(bits: bigint, signBit: bigint, random: Random): bigint {
  const near = bits + BigInt(random.below(5) - 2);
  return BigInt.asUintN(64, random.chance(50) ? near ^ signBit : near);
}
