/** The inline forms against the exact functions of the same names: results and flags. */
import { setFlagsFromString } from "node:v8";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FFlags, FPU_FUNCTIONS, type FpuFunction } from "../../isa/fpu.ts";
import { call, type Func, i32, type Local, ret } from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";
import { hostFusesMultiplyAdd } from "./host-fma.ts";
import { defineFpu } from "./index.ts";
import { inlineFpu } from "./inline.ts";

// Engines before V8 11.4 have the instruction behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");

type Value = number | bigint;
type Run = (...args: Value[]) => Value;

const NAMES = Object.keys(FPU_FUNCTIONS) as FpuFunction[];
const MODES = [0, 1, 2, 3, 4];

const takesMode = (name: FpuFunction): boolean =>
  !/_(min|max|eq|lt|le|classify)$|^f32_to_f64$|^[iu]32_to_f64$/.test(name);

/** The words of the memory: accrued flags, and whether the inline form called the exact function. */
const [FLAGS, CALLED] = [0, 1];

/** Exports `<name>`, exact, and `<name>:dynamic` and `<name>:<mode>`, inline. */
function instantiate(fusedMultiplyAdd: boolean) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new ModuleBuilder();
  module.importMemory({ module: "host", name: "memory", initial: 1, maximum: 1, shared: false });
  const fpu = defineFpu(module, {
    read: () => i32.load(FLAGS * 4),
    accrue: (raised) => i32.store(FLAGS * 4, i32.or(i32.load(FLAGS * 4), raised)),
  });
  for (const name of NAMES) {
    const { params, result } = FPU_FUNCTIONS[name];
    module.export(fpu[name]);
    const noted: Func = module.define(`${name}:noted`, params, result, (...args) => [
      i32.store(CALLED * 4, 1),
      ret(call(fpu[name], ...args)),
    ]);
    const define = (suffix: string, mode: number | undefined) =>
      module.define(
        `${name}:${suffix}`,
        params,
        result,
        (...locals: readonly Local[]) => {
          const args = mode === undefined ? locals : [...locals.slice(0, -1), i32.const(mode)];
          const fflags = i32.load(FLAGS * 4);
          const inline = inlineFpu(name, args, { fflags, exact: () => noted, fusedMultiplyAdd });
          return [ret(inline ?? call(noted as Func<"i64">, ...args))];
        },
        { export: true },
      );
    define("dynamic", undefined);
    if (takesMode(name)) for (const mode of MODES) define(`${mode}`, mode);
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    host: { memory },
  });
  return { exports: exports as Record<string, Run>, words: new Int32Array(memory.buffer, 0, 2) };
}

type Instance = ReturnType<typeof instantiate>;

const separate = instantiate(false);
const fused = hostFusesMultiplyAdd() ? instantiate(true) : undefined;

/** Bit patterns of a format, mostly where something happens. */
function floats(exponentBits: number, fractionBits: number): fc.Arbitrary<bigint> {
  const top = 2 ** exponentBits - 1;
  const bias = (top - 1) / 2;
  const hidden = 1n << BigInt(fractionBits);
  const exponent = fc.oneof(
    fc.constantFrom(0, 1, 2, bias - 1, bias, bias + 1, top - 2, top - 1, top),
    // About where products underflow and overflow, and where integers end.
    fc.integer({ min: -4, max: 4 }).map((d) => (bias >> 1) + d),
    fc.integer({ min: -4, max: 4 }).map((d) => bias + (bias >> 1) + d),
    fc.integer({ min: fractionBits - 2, max: 66 }).map((d) => bias + d),
    fc.integer({ min: -3, max: 33 }).map((d) => bias + d),
    fc.integer({ min: 0, max: top }),
  );
  const fraction = fc.oneof(
    fc.constantFrom(0n, 1n, 2n, hidden >> 1n, (hidden >> 1n) + 1n, hidden - 2n, hidden - 1n),
    // Few bits: exact results, and ties.
    fc
      .array(fc.integer({ min: 0, max: fractionBits - 1 }), { minLength: 1, maxLength: 3 })
      .map((places) => places.reduce((bits, place) => bits | (1n << BigInt(place)), 0n)),
    fc.bigInt({ min: 0n, max: hidden - 1n }),
  );
  return fc
    .tuple(fc.boolean(), exponent, fraction)
    .map(
      ([negative, e, f]) =>
        (negative ? 1n << BigInt(exponentBits + fractionBits) : 0n) | (BigInt(e) * hidden) | f,
    );
}

/** Registers with integers: about the powers of two, where a word ends, and anywhere. */
const integers = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.bigInt({ min: -3n, max: 3n }), fc.boolean())
    .map(([place, d, negative]) => (negative ? -1n : 1n) * (1n << BigInt(place)) + d),
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 60n }))
    .map(([value, shift]) => BigInt.asIntN(64, value) >> shift),
);

const SINGLE = floats(8, 23).map((bits) => Number(BigInt.asIntN(32, bits)));
const DOUBLE = floats(11, 52).map((bits) => BigInt.asIntN(64, bits));
const INTEGER = integers.map((value) => BigInt.asIntN(64, value));

/** The values of a format where rules change, each to be met with each. */
function landmarks(exponentBits: number, fractionBits: number): bigint[] {
  const top = 2n ** BigInt(exponentBits) - 1n;
  const bias = top >> 1n;
  const hidden = 1n << BigInt(fractionBits);
  const quiet = hidden >> 1n;
  const positive = [
    ...[0n, 1n, quiet, hidden - 1n],
    ...[hidden, hidden + 1n, 2n * hidden],
    ...[(bias - 1n) * hidden, bias * hidden - 1n, bias * hidden, bias * hidden + 1n],
    ...[bias * hidden + quiet, bias * hidden + quiet + 1n],
    ...[31n, 32n, 63n, 64n].flatMap((place) => [
      (bias + place) * hidden - 1n,
      (bias + place) * hidden,
    ]),
    ...[(bias + BigInt(fractionBits)) * hidden + 1n, top * hidden - 1n],
    ...[top * hidden, top * hidden + 1n, top * hidden + quiet, top * hidden + quiet + 1n],
  ];
  return positive.flatMap((bits) => [bits, bits | (1n << BigInt(exponentBits + fractionBits))]);
}

const LANDMARKS = {
  single: landmarks(8, 23).map((bits) => Number(BigInt.asIntN(32, bits))),
  double: landmarks(11, 52).map((bits) => BigInt.asIntN(64, bits)),
  integer: [0n, 24n, 31n, 32n, 53n, 63n].flatMap((place) =>
    [-2n, -1n, 0n, 1n, 2n].flatMap((d) => [
      BigInt.asIntN(64, (1n << place) + d),
      BigInt.asIntN(64, d - (1n << place)),
    ]),
  ),
};

function combinations(name: FpuFunction): Value[][] {
  const values: readonly Value[] = /^[iu]/.test(name)
    ? LANDMARKS.integer
    : name.startsWith("f32")
      ? LANDMARKS.single
      : LANDMARKS.double;
  let all: Value[][] = [[]];
  const count = FPU_FUNCTIONS[name].params.length - (takesMode(name) ? 1 : 0);
  for (let k = 0; k < count; k++) all = all.flatMap((some) => values.map((v) => [...some, v]));
  return all;
}

function operandsOf(name: FpuFunction): fc.Arbitrary<Value[]> {
  const params: readonly string[] = FPU_FUNCTIONS[name].params;
  const types = takesMode(name) ? params.slice(0, -1) : params;
  const one: fc.Arbitrary<Value> = /^[iu]/.test(name)
    ? INTEGER
    : name.startsWith("f32")
      ? SINGLE
      : DOUBLE;
  // Operands that are equal or nearly so: cancellation, and comparisons that are equal.
  return fc.tuple(...types.map(() => one), fc.nat({ max: 9 })).map((drawn) => {
    const values = drawn.slice(0, -1) as Value[];
    const alike = drawn[drawn.length - 1] as number;
    if (values.length < 2 || alike > 1) return values;
    const [first] = values;
    const last = typeof first === "number" ? first ^ alike : first ^ BigInt(alike);
    return [...values.slice(0, -1), last];
  });
}

const PRESETS = [0, FFlags.NX, FFlags.UF, FFlags.NX | FFlags.NV];

function hex(value: Value): string {
  return BigInt.asUintN(typeof value === "number" ? 32 : 64, BigInt(value)).toString(16);
}

/** What is wrong with the inline forms of a function on these operands. */
function mistakes({ exports, words }: Instance, name: FpuFunction, values: Value[]): string[] {
  const wrong: string[] = [];
  for (const mode of takesMode(name) ? MODES : [undefined]) {
    const args = mode === undefined ? values : [...values, mode];
    for (const preset of PRESETS) {
      words[FLAGS] = preset;
      const expected = exports[name](...args);
      const flags = words[FLAGS];
      for (const form of mode === undefined ? ["dynamic"] : ["dynamic", `${mode}`]) {
        words[FLAGS] = preset;
        const actual = exports[`${name}:${form}`](...args);
        if (actual === expected && words[FLAGS] === flags) continue;
        wrong.push(
          `${form} (${args.map(hex).join(", ")}) with flags ${preset} is ${hex(actual)} flags ` +
            `${words[FLAGS]}, should be ${hex(expected)} flags ${flags}`,
        );
      }
    }
  }
  return wrong;
}

describe("inline floating point", () => {
  test.each(NAMES)("%s is the exact function", (name) => {
    fc.assert(
      fc.property(operandsOf(name), (values) => {
        expect(mistakes(separate, name, values)).toEqual([]);
      }),
      { numRuns: 3000 },
    );
  });

  test.each(NAMES)("%s is the exact function where rules change", (name) => {
    const instance = fused !== undefined && name.endsWith("fma") ? fused : separate;
    const wrong = combinations(name).flatMap((values) => mistakes(instance, name, values));
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  test.runIf(fused !== undefined).each(["f32_fma", "f64_fma"] as const)(
    "%s is the exact function on a host with a fused multiply-add",
    (name) => {
      fc.assert(
        fc.property(operandsOf(name), (values) => {
          expect(mistakes(fused as Instance, name, values)).toEqual([]);
        }),
        { numRuns: 10_000 },
      );
    },
  );
});

const single = (value: number): number => new Int32Array(new Float32Array([value]).buffer)[0];
const double = (value: number): bigint => new BigInt64Array(new Float64Array([value]).buffer)[0];

/** Ordinary operands, for which no call is made once NX is set. */
function ordinary(name: FpuFunction): Value[] {
  const make: (value: number) => Value = /^[iu]/.test(name)
    ? (value: number) => BigInt(Math.round(value * 1000))
    : name.startsWith("f32")
      ? single
      : double;
  const count = FPU_FUNCTIONS[name].params.length - (takesMode(name) ? 1 : 0);
  return [1.1, 2.3, 0.7].slice(0, count).map(make);
}

/** Which are left to the exact function whatever the operands. */
const NEVER_INLINE: readonly FpuFunction[] = ["f32_classify", "f64_classify"];

describe("ordinary operands", () => {
  const instance = fused ?? separate;
  const called = (form: string, ...args: Value[]): boolean => {
    instance.words[FLAGS] = FFlags.NX;
    instance.words[CALLED] = 0;
    instance.exports[form](...args);
    return instance.words[CALLED] === 1;
  };

  test("make no call when rounding to nearest", () => {
    const calling = NAMES.filter((name) => called(`${name}:dynamic`, ...ordinary(name), 0));
    const withoutFused = fused === undefined ? ["f64_fma" as const] : [];
    expect(calling.sort()).toEqual([...NEVER_INLINE, ...withoutFused].sort());
  });

  test.each(["f32_to_i32", "f64_to_i64", "f64_to_u32", "f32_to_u64"] as const)(
    "make no call in %s as C converts",
    (name) => {
      expect(called(`${name}:1`, ...ordinary(name), 1)).toBe(false);
    },
  );

  test("call when rounding in another direction", () => {
    expect(called("f64_add:dynamic", double(1.1), double(2.3), 3)).toBe(true);
    expect(called("f64_add:3", double(1.1), double(2.3), 3)).toBe(true);
  });
});
