/**
 * The floating-point unit: exact IEEE 754 binary32 and binary64 arithmetic as the F and D extensions
 * need it, as WebAssembly functions. A function tries the host's arithmetic first, wherever its result
 * and its flags are provably the right ones, and computes in integers otherwise.
 */
import type { FPU_FUNCTIONS, FpuFunction } from "../../isa/fpu.ts";
import type { Func } from "../../wasm/expr.ts";
import type { ModuleBuilder } from "../../wasm/module-builder.ts";
import { defineAdd, defineExactAdd } from "./add.ts";
import { defineClassify, defineCompare, defineMinMax } from "./compare.ts";
import { defineNarrow, defineWiden } from "./convert-format.ts";
import {
  defineExactFromInteger,
  defineFromInteger,
  defineRoundInteger,
  defineRoundToIntegral,
  defineToInteger,
  hostConvertF32,
  hostConvertF64,
  type IntegerType,
  widenF32,
  widenF64,
} from "./convert-integer.ts";
import { defineDivide } from "./divide.ts";
import { defineExactFma } from "./fma.ts";
import { defineFmaF32, defineFmaF64 } from "./fma-fast.ts";
import { BINARY32, BINARY64, type BitsType, type Format, type HostType } from "./format.ts";
import { defineMultiply } from "./multiply.ts";
import { defineRoundPack } from "./round-pack.ts";
import { defineSqrt } from "./sqrt.ts";
import type { FlagsAccess, Unit } from "./unit.ts";

export type { FlagsAccess } from "./unit.ts";

export type FpuFuncs = { readonly [K in FpuFunction]: Func<(typeof FPU_FUNCTIONS)[K]["result"]> };

/** Defines the functions in `module`. `flags` accesses `fflags` wherever the caller keeps it. */
export function defineFpu(module: ModuleBuilder, flags: FlagsAccess): FpuFuncs {
  const unit: Unit = { module, flags };
  const round32 = defineRoundPack(unit, BINARY32);
  const round64 = defineRoundPack(unit, BINARY64);
  const single = defineOperations(unit, BINARY32, round32);
  const double = defineOperations(unit, BINARY64, round64);
  const integral = defineRoundToIntegral(unit);
  const toInteger32 = (type: IntegerType) =>
    defineToInteger(unit, `f32_to_${type}`, "i32", widenF32, type, integral);
  const toInteger64 = (type: IntegerType) =>
    defineToInteger(unit, `f64_to_${type}`, "i64", widenF64, type, integral);
  const integer32 = defineRoundInteger(unit, BINARY32, round32);
  const integer64 = defineRoundInteger(unit, BINARY64, round64);
  const fromInteger32 = (type: IntegerType) =>
    defineFromInteger(unit, BINARY32, hostConvertF32, type, integer32);
  const fromInteger64 = (type: IntegerType) =>
    defineFromInteger(unit, BINARY64, hostConvertF64, type, integer64);
  return {
    ...prefixed("f32", single),
    ...prefixed("f64", double),
    f32_fma: defineFmaF32(unit, defineExactFma(unit, BINARY32, round32)),
    f64_fma: defineFmaF64(unit, defineExactFma(unit, BINARY64, round64)),
    f32_to_i32: toInteger32("i32"),
    f32_to_u32: toInteger32("u32"),
    f32_to_i64: toInteger32("i64"),
    f32_to_u64: toInteger32("u64"),
    f64_to_i32: toInteger64("i32"),
    f64_to_u32: toInteger64("u32"),
    f64_to_i64: toInteger64("i64"),
    f64_to_u64: toInteger64("u64"),
    i32_to_f32: fromInteger32("i32"),
    u32_to_f32: fromInteger32("u32"),
    i64_to_f32: fromInteger32("i64"),
    u64_to_f32: fromInteger32("u64"),
    i32_to_f64: defineExactFromInteger(unit, "i32"),
    u32_to_f64: defineExactFromInteger(unit, "u32"),
    i64_to_f64: fromInteger64("i64"),
    u64_to_f64: fromInteger64("u64"),
    f32_to_f64: defineWiden(unit),
    f64_to_f32: defineNarrow(unit, round32),
  };
}

/** The operations that one source defines for both formats. */
function defineOperations<B extends BitsType, H extends HostType>(
  unit: Unit,
  format: Format<B, H>,
  roundPack: Func<"i64">,
) {
  const exactAdd = defineExactAdd(unit, format, roundPack);
  return {
    add: defineAdd(unit, format, exactAdd, false),
    sub: defineAdd(unit, format, exactAdd, true),
    mul: defineMultiply(unit, format, roundPack),
    div: defineDivide(unit, format, roundPack),
    sqrt: defineSqrt(unit, format, roundPack),
    min: defineMinMax(unit, format, "min"),
    max: defineMinMax(unit, format, "max"),
    eq: defineCompare(unit, format, "eq"),
    lt: defineCompare(unit, format, "lt"),
    le: defineCompare(unit, format, "le"),
    classify: defineClassify(unit, format),
  };
}

type Prefixed<N extends string, T> = { [K in keyof T & string as `${N}_${K}`]: T[K] };

function prefixed<N extends string, T extends object>(name: N, functions: T): Prefixed<N, T> {
  const entries = Object.entries(functions).map(([key, func]) => [`${name}_${key}`, func]);
  return Object.fromEntries(entries) as Prefixed<N, T>;
}
