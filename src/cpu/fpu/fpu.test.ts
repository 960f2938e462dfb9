import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { FFlags, FPU_FUNCTIONS, type FpuFunction } from "../../isa/fpu.ts";
import { call, i32, ret } from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";
import { defineFpu } from "./index.ts";

type Value = number | bigint;

/** The functions as a host can call them, and the word with the flags. */
function instantiate() {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const flags = new Int32Array(memory.buffer, 0, 1);
  const module = new ModuleBuilder();
  module.importMemory({ module: "host", name: "memory", initial: 1, maximum: 1, shared: false });
  const fpu = defineFpu(module, {
    read: () => i32.load(0),
    accrue: (raised) => i32.store(0, i32.or(i32.load(0), raised)),
  });
  for (const [name, { params, result }] of Object.entries(FPU_FUNCTIONS)) {
    const func = fpu[name as FpuFunction];
    module.define(name, params, result, (...args) => [ret(call(func, ...args))], { export: true });
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    host: { memory },
  });
  const functions = instance.exports as Record<FpuFunction, (...args: Value[]) => Value>;
  return { functions, flags };
}

/** Cases that a RISC-V processor computed; `testdata/oracle.c` describes the format. */
class Cases {
  readonly #data: DataView;
  #at = 0;

  constructor(file: string | URL) {
    const bytes = gunzipSync(readFileSync(file));
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#data.byteLength;
  }

  byte(): number {
    return this.#data.getUint8(this.#at++);
  }

  word(): number {
    this.#at += 4;
    return this.#data.getInt32(this.#at - 4, true);
  }

  name(): FpuFunction {
    return String.fromCharCode(
      ...Array.from({ length: this.byte() }, () => this.byte()),
    ) as FpuFunction;
  }

  value(type: "i32" | "i64"): Value {
    if (type === "i32") return this.word();
    this.#at += 8;
    return this.#data.getBigInt64(this.#at - 8, true);
  }
}

const { functions, flags } = instantiate();

/** Flags that are set before a call: none, the one that opens the fast paths, all the others. */
const PRESETS = [0, FFlags.NX, FFlags.NV | FFlags.DZ | FFlags.OF | FFlags.UF];

function hex(value: Value): string {
  return BigInt.asUintN(typeof value === "number" ? 32 : 64, BigInt(value)).toString(16);
}

describe("the floating-point unit", () => {
  test("computes what a RISC-V processor does", () => {
    const committed = new URL("testdata/cases.bin.gz", import.meta.url);
    const cases = new Cases(process.env.FPU_CASES ?? committed);
    const seen = new Set<FpuFunction>();
    const wrong: string[] = [];
    while (!cases.done) {
      const name = cases.name();
      seen.add(name);
      const { params, result } = FPU_FUNCTIONS[name];
      const operands = operandTypes(name);
      for (let left = cases.word(); left > 0; left--) {
        const args: Value[] = operands.map((type) => cases.value(type));
        const packed = cases.byte();
        if (params.length > operands.length) args.push(packed & 7);
        const expected = cases.value(result);
        for (const preset of PRESETS) {
          flags[0] = preset;
          const actual = functions[name](...args);
          if (actual === expected && flags[0] === (preset | (packed >> 3))) continue;
          wrong.push(
            `${name}(${args.map(hex).join(", ")}) with flags ${preset} is ${hex(actual)} flags ${flags[0]}, ` +
              `should be ${hex(expected)} flags ${preset | (packed >> 3)}`,
          );
        }
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
    expect([...seen].sort()).toEqual(Object.keys(FPU_FUNCTIONS).sort());
  }, 600_000);
});

const [RNE, RDN, RUP, RMM] = [0, 2, 3, 4];
const INFINITY = 0x7f80_0000;
const QUIET_NAN = 0x7fc0_0001;
const SIGNALLING_NAN = 0x7f80_0001;
const NEGATIVE_ZERO = -0x8000_0000;

/** What the specifications say in words, one rule a row. */
const RULES: [rule: string, FpuFunction, args: Value[], result: Value, flags: number][] = [
  ["a NaN result is canonical", "f32_add", [QUIET_NAN, 0, RNE], 0x7fc0_0000, 0],
  ["a signalling NaN is invalid", "f32_eq", [SIGNALLING_NAN, 0], 0n, FFlags.NV],
  ["less-than signals quiet NaNs", "f32_lt", [QUIET_NAN, 0], 0n, FFlags.NV],
  ["infinity times zero is invalid", "f32_fma", [INFINITY, 0, QUIET_NAN, RNE], 0x7fc0_0000, 16],
  ["-0 is less than +0", "f32_min", [0, NEGATIVE_ZERO], NEGATIVE_ZERO, 0],
  ["a number wins over a NaN", "f32_max", [SIGNALLING_NAN, NEGATIVE_ZERO], NEGATIVE_ZERO, 16],
  ["x - x is -0 when rounding down", "f32_sub", [0x3f80_0000, 0x3f80_0000, RDN], NEGATIVE_ZERO, 0],
  ["division by zero", "f32_div", [0x3f80_0000, 0, RNE], INFINITY, FFlags.DZ],
  // (1 - 2^-24) * least normal: tiny when rounded to 24 bits, and then rounded up to the least normal.
  ["tininess is after rounding", "f32_mul", [0x3f7f_ffff, 0x0080_0000, RUP], 0x0080_0000, 3],
  // (1 - 2^-46) * least normal: rounds up to the least normal at 24 bits already.
  ["what rounds to normal is not tiny", "f32_mul", [0x3f7f_fffe, 0x0080_0001, RUP], 0x0080_0000, 1],
  ["ties away from zero", "f32_to_i32", [-0x3fe0_0000, RMM], -3n, FFlags.NX],
  ["NaN converts to the maximum", "f32_to_i32", [QUIET_NAN, RNE], 0x7fff_ffffn, FFlags.NV],
  ["invalid suppresses inexact", "f32_to_u32", [-0x40a0_0000, RDN], 0n, FFlags.NV],
  ["words are sign-extended", "f64_to_u32", [0x41ef_ffff_ffe0_0000n, RNE], -1n, 0],
];

describe("the specification's rules", () => {
  test.each(RULES)("%s", (_rule, name, args, result, raised) => {
    flags[0] = 0;
    expect([functions[name](...args), flags[0]]).toEqual([result, raised]);
  });
});

/** The parameters without the rounding mode, which only an i32 in the last place can be. */
function operandTypes(name: FpuFunction): ("i32" | "i64")[] {
  const { params } = FPU_FUNCTIONS[name];
  const withoutMode = /_(min|max|eq|lt|le|classify)$|^f32_to_f64$|^[iu]32_to_f64$/.test(name);
  return withoutMode ? [...params] : params.slice(0, -1);
}
