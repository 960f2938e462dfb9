/**
 * Floating-point operations as host instructions in the middle of translated code, with a call of the
 * exact function for what the host cannot be trusted with.
 *
 * The host rounds to nearest even and raises no flags. Its result is right, with no flag to raise,
 * under conditions that one branch can test: the rounding mode is that one, inexact (NX) is set
 * already, and the result shows that nothing else was raised. The first inexact operation goes through
 * the exact function, which sets NX for those that follow.
 */
import { FFlags, type FPU_FUNCTIONS, type FpuFunction } from "../../isa/fpu.ts";
import { doubleBehind, isBoxed } from "../../isa/nan-boxing.ts";
import {
  call,
  type Expr,
  type Func,
  f32,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  lowSingle,
  relaxedMadd,
  type Stmt,
  set,
  whenLikely,
  whenUnlikely,
} from "../../wasm/expr.ts";
import type { IntegerType } from "./convert-integer.ts";
import { Rounding } from "./unit.ts";

export interface InlineOptions {
  /** The accrued exceptions; read without effect. */
  readonly fflags: I32;
  /** The exact function; asked for only if the code may call it. */
  readonly exact: () => Func;
  /** Whether the host's `relaxed_madd` rounds once: see `host-fma.ts`. */
  readonly fusedMultiplyAdd: boolean;
}

/** The operation on its operands in line, or undefined if only the call will do. */
export function inlineFpu<N extends FpuFunction>(
  name: N,
  args: readonly Expr[],
  options: InlineOptions,
): Expr<(typeof FPU_FUNCTIONS)[N]["result"]> | undefined {
  const use = { name, args, options };
  const [, source, target] = /^(\w+)_to_(\w+)$/.exec(name) ?? [];
  const inline = target === undefined ? operation(use) : conversion(source, target, use);
  return inline as Expr<(typeof FPU_FUNCTIONS)[N]["result"]> | undefined;
}

interface Use {
  readonly name: FpuFunction;
  readonly args: readonly Expr[];
  readonly options: InlineOptions;
}

const DOUBLE = {
  host: f64,
  type: "f64",
  value: (bits: I64): Expr<"f64"> => f64.reinterpret_i64(bits),
  bits: (value: Expr<"f64">): I64 => i64.reinterpret_f64(value),
  leastNormal: 2 ** -1022,
  fractionBits: 52,
} as const;

type HostFormat = Omit<typeof DOUBLE, "leastNormal" | "fractionBits"> & {
  readonly leastNormal: number;
  readonly fractionBits: number;
};

/** Under the types of binary64, so that what is written once serves both. */
const SINGLE = {
  host: f32,
  type: "f32",
  value: (bits: I32): Expr<"f32"> => f32.reinterpret_i32(bits),
  bits: (value: Expr<"f32">): I32 => i32.reinterpret_f32(value),
  leastNormal: 2 ** -126,
  fractionBits: 23,
} as unknown as HostFormat;

type Value = Expr<"f64">;

/** A value of `SINGLE` as one of `DOUBLE`. */
const promote = (x: Value): Value => f64.promote_f32(x as unknown as Expr<"f32">);

interface Operands {
  readonly setup: Stmt[];
  readonly values: readonly Value[];
  /** What the exact function is called with. */
  readonly bits: readonly Expr[];
  /** Whether the values are those of the bits. */
  readonly valid: I32 | undefined;
}

/**
 * The operands of a format as variables. A binary32 in a variable of a region is taken out without a
 * look at its box, which `valid` has.
 */
function operands(format: HostFormat, bits: readonly Expr[]): Operands {
  const setup: Stmt[] = [];
  const boxes: I64[] = [];
  const values = bits.map((operand) => {
    const double = doubleBehind(operand);
    if (double !== undefined) boxes.push(i64.reinterpret_f64(double));
    const given =
      double === undefined ? format.value(operand as I64) : (lowSingle(double) as unknown as Value);
    if (given.kind === "local") return given;
    const local = format.host.local();
    setup.push(set(local, given));
    return local;
  });
  const [first, ...rest] = boxes;
  const valid = first && isBoxed(rest.reduce((all, one) => i64.and(all, one), first));
  return { setup, values, bits: valid === undefined ? values.map(format.bits) : bits, valid };
}

const exactCall = ({ options }: Use, ...args: Expr[]): Expr =>
  call(options.exact() as Func<"i64">, ...args);

/** `fast` where it holds, and else what the exact function gives. */
function guarded(
  { setup, valid }: Pick<Operands, "setup" | "valid">,
  result: Local,
  fast: Expr,
  holds: I32,
  exact: Expr,
): Expr {
  const wrong = i32.eqz(valid === undefined ? holds : i32.and(valid, holds));
  const body = [...setup, set(result, fast), whenUnlikely(wrong, [set(result, exact)])];
  return { kind: "sequence", type: result.type, body, value: result };
}

const inexactIsSet = (use: Use): I32 => i32.and(use.options.fflags, FFlags.NX);

/** Whether the host's rounding is the one in force and raises nothing new; undefined if never. */
function mayRound(use: Use, rm: I32): I32 | undefined {
  if (rm.kind !== "const") return i32.gt_u(inexactIsSet(use), rm); // 1 > 0, the one way to hold
  return rm.value === Rounding.nearestEven ? inexactIsSet(use) : undefined;
}

const isFiniteValue = ({ host }: HostFormat, value: Value): I32 =>
  host.lt(host.abs(value), host.const(Infinity));

/** The least normal itself may have been rounded up from a tiny value, which underflows. */
const isAboveLeastNormal = (format: HostFormat, value: Value): I32 =>
  i32.and(
    format.host.gt(format.host.abs(value), format.host.const(format.leastNormal)),
    isFiniteValue(format, value),
  );

/** An operation within a format. */
function operation(use: Use): Expr | undefined {
  const format = use.name.startsWith("f32") ? SINGLE : DOUBLE;
  const kind = use.name.slice("f32_".length);
  switch (kind) {
    case "add":
    case "sub":
    case "mul":
    case "div":
    case "sqrt":
    case "fma":
      return rounded(format, kind, use);
    case "min":
    case "max":
      return extreme(format, kind, use);
    case "eq":
    case "lt":
    case "le":
      return comparison(format, kind, use);
    default:
      return undefined;
  }
}

type Rounded = "add" | "sub" | "mul" | "div" | "sqrt" | "fma";

function rounded(format: HostFormat, kind: Rounded, use: Use): Expr | undefined {
  const rm = use.args[use.args.length - 1] as I32;
  const round = mayRound(use, rm);
  if (round === undefined) return undefined;
  const { host, bits, value } = format;
  const given = operands(format, use.args.slice(0, -1));
  const exact = value(exactCall(use, ...given.bits, rm) as I64);
  const result = host.local();
  const give = (fast: Value, holds: I32): Expr =>
    bits(guarded(given, result, fast, i32.and(round, holds), exact) as Value);
  const [x, y, z] = given.values;
  switch (kind) {
    case "add":
    case "sub":
      // A finite sum is of finite operands, and one below the normal range is exact.
      return give(host[kind](x, y), isFiniteValue(format, result));
    case "mul":
    case "div":
      return give(host[kind](x, y), isAboveLeastNormal(format, result));
    case "sqrt":
      // A root that is no NaN is a zero or an infinity, exactly, or normal.
      return give(host.sqrt(x), host.eq(result, result));
    case "fma":
      if (use.options.fusedMultiplyAdd) {
        const fused = relaxedMadd(format.type, x, y, z);
        return give(fused, isAboveLeastNormal(format, result));
      }
      return format === SINGLE ? wideFma(given, result, give) : undefined;
  }
}

/** The bits of a binary64 significand that binary32 has no place for, and a tie in them. */
const NARROWED = 0x1fff_ffff;
const NARROWED_TIE = 0x1000_0000;

/** binary32 by way of binary64, where the product is exact: see `defineFmaF32`. */
function wideFma(
  { setup, values: [x, y, z] }: Operands,
  result: Value,
  give: (fast: Value, holds: I32) => Expr,
): Expr {
  const sum = f64.local();
  setup.push(set(sum, f64.add(f64.mul(promote(x), promote(y)), promote(z))));
  const low = i64.and(i64.reinterpret_f64(sum), NARROWED);
  return give(
    f32.demote_f64(sum) as unknown as Value,
    i32.and(isAboveLeastNormal(SINGLE, result), i64.ne(low, NARROWED_TIE)),
  );
}

/** The host has minimum and maximum with -0 below +0, and a NaN if either operand is one. */
function extreme(format: HostFormat, kind: "min" | "max", use: Use): Expr {
  const { host, bits, value } = format;
  const given = operands(format, use.args);
  const [x, y] = given.values;
  const result = host.local();
  const exact = value(exactCall(use, ...given.bits) as I64);
  return bits(guarded(given, result, host[kind](x, y), host.eq(result, result), exact) as Value);
}

function comparison(format: HostFormat, kind: "eq" | "lt" | "le", use: Use): Expr {
  const { host } = format;
  const given = operands(format, use.args);
  const [x, y] = given.values;
  const ordered = i32.and(host.eq(x, x), host.eq(y, y));
  const exact = exactCall(use, ...given.bits);
  return guarded(given, i64.local(), i64.extend_i32_u(host[kind](x, y)), ordered, exact);
}

function conversion(source: string, target: string, use: Use): Expr | undefined {
  if (source === "f32" && target === "f64") return widen(use);
  if (source === "f64" && target === "f32") return narrow(use);
  const from = source === "f32" ? SINGLE : source === "f64" ? DOUBLE : undefined;
  return from === undefined
    ? fromInteger(source as IntegerType, target === "f32" ? SINGLE : DOUBLE, use)
    : toInteger(from, target as IntegerType, use);
}

/** binary32 to binary64: exact, but for NaNs. */
function widen(use: Use): Expr {
  const given = operands(SINGLE, use.args);
  const [x] = given.values;
  const exact = f64.reinterpret_i64(exactCall(use, ...given.bits) as I64);
  const wide = promote(x);
  return DOUBLE.bits(guarded(given, f64.local(), wide, SINGLE.host.eq(x, x), exact) as Value);
}

/** binary64 to binary32. */
function narrow(use: Use): Expr | undefined {
  const rm = use.args[1] as I32;
  const round = mayRound(use, rm);
  if (round === undefined) return undefined;
  const given = operands(DOUBLE, use.args.slice(0, 1));
  const [x] = given.values;
  const exact = f32.reinterpret_i32(exactCall(use, ...given.bits, rm) as I32);
  const result = SINGLE.host.local();
  const holds = i32.and(round, isAboveLeastNormal(SINGLE, result));
  return SINGLE.bits(guarded(given, result, f32.demote_f64(x), holds, exact) as Value);
}

/** Between these the target has the value, and the host's instruction for i64 converts it. */
const RANGES: Record<IntegerType, (x: Value) => I32> = {
  i32: (x) => f64.lt(f64.abs(x), f64.const(2 ** 31)),
  u32: (x) => i32.and(f64.gt(x, f64.const(-1)), f64.lt(x, f64.const(2 ** 32))),
  i64: (x) => f64.lt(f64.abs(x), f64.const(2 ** 63)),
  u64: (x) => i32.and(f64.gt(x, f64.const(-1)), f64.lt(x, f64.const(2 ** 63))),
};

function toInteger(from: HostFormat, target: IntegerType, use: Use): Expr | undefined {
  const rm = use.args[1] as I32;
  const rounding = roundToIntegral(use, rm);
  if (rounding === undefined) return undefined;
  const given = operands(from, use.args.slice(0, 1));
  const [x] = given.values;
  const wide = from === SINGLE ? promote(x) : x;
  const [integral, result] = [f64.local(), i64.local()];
  const converted = i64.trunc_f64_s(integral);
  const exact = exactCall(use, ...given.bits, rm) as I64;
  const holds = i32.and(rounding.holds, RANGES[target](integral));
  const body = [
    ...given.setup,
    set(integral, rounding.round(wide)),
    // The instruction traps outside of its range, so it is executed only within.
    whenLikely(
      given.valid === undefined ? holds : i32.and(given.valid, holds),
      [set(result, target === "u32" ? i64.extend32_s(converted) : converted)],
      [set(result, exact)],
    ),
  ];
  return i64.seq(body, result);
}

/** Rounds for a conversion to an integer, which itself cuts off what is behind the point. */
function roundToIntegral(
  use: Use,
  rm: I32,
): { holds: I32; round: (x: Value) => Value } | undefined {
  const holds = inexactIsSet(use);
  if (rm.kind !== "const") return { holds: i32.gt_u(holds, rm), round: (x) => f64.nearest(x) };
  switch (rm.value) {
    case Rounding.nearestEven:
      return { holds, round: (x) => f64.nearest(x) };
    case Rounding.towardZero:
      return { holds, round: (x) => x };
    case Rounding.down:
      return { holds, round: (x) => f64.floor(x) };
    case Rounding.up:
      return { holds, round: (x) => f64.ceil(x) };
    default:
      return undefined;
  }
}

function fromInteger(source: IntegerType, to: HostFormat, use: Use): Expr {
  const operand = use.args[0] as I64;
  const is32 = source === "i32" || source === "u32";
  const integer =
    source === "i32"
      ? i64.extend32_s(operand)
      : source === "u32"
        ? i64.and(operand, 0xffff_ffff)
        : operand;
  if (is32 && to === DOUBLE) return DOUBLE.bits(f64.convert_i64_s(integer));
  const rm = use.args[1] as I32;
  const x = i64.local();
  const exact = to.value(exactCall(use, x, rm) as I64);
  const limit = 2 ** (to.fractionBits + 1);
  const fits =
    source === "i32" || source === "i64"
      ? i64.lt_u(i64.add(x, limit), 2 * limit)
      : i64.lt_u(x, limit);
  const round = mayRound(use, rm) ?? i32.const(0);
  // An unsigned integer of 64 bits is a signed one too unless it has the top bit.
  const mayRoundThis = source === "u64" ? i32.and(round, i64.ge_s(x, 0)) : round;
  const holds = i32.or(fits, mayRoundThis);
  const given = { setup: [set(x, integer)], valid: undefined };
  return to.bits(guarded(given, to.host.local(), to.host.convert_i64_s(x), holds, exact) as Value);
}
