import { expect, test } from "vitest";
import { f64, type I64, i32, i64, type Local, ret, set } from "../wasm/expr.ts";
import { ModuleBuilder } from "../wasm/module-builder.ts";
import { box, doubleOf, singleOf, unbox } from "./nan-boxing.ts";

/** From a register to the register with the single in it boxed again. */
function passage(build: (raw: Local<"i64">) => ReturnType<typeof ret>[]) {
  const module = new ModuleBuilder();
  module.define("pass", ["i64"], "i64", (raw) => [...build(raw), ret(raw)], { export: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()));
  return exports.pass as (raw: bigint) => bigint;
}

const CANONICAL = 0xffff_ffff_7fc0_0000n;
/** Registers, and what their single is. */
const CASES: [name: string, raw: bigint, expected: bigint][] = [
  ["one", 0xffff_ffff_3f80_0000n, 0xffff_ffff_3f80_0000n],
  ["a signalling NaN", 0xffff_ffff_7f80_0001n, 0xffff_ffff_7f80_0001n],
  ["a negative NaN with a payload", 0xffff_ffff_ffc1_2345n, 0xffff_ffff_ffc1_2345n],
  ["a double", 0x3ff0_0000_0000_0000n, CANONICAL],
  ["a box with a bit missing", 0xffff_fffe_3f80_0000n, CANONICAL],
];

/** By integers, as from memory; and by lanes, where a region keeps the register as a double. */
const WAYS = {
  integers: passage((raw) => [set(raw, box(unbox(raw)))]),
  lanes: passage((raw) => {
    const [from, to] = [f64.local(), f64.local()];
    const register: I64 = i64.reinterpret_f64(from);
    const single = i32.reinterpret_f32(singleOf(unbox(register)));
    return [
      set(from, f64.reinterpret_i64(raw)),
      set(to, doubleOf(box(single))),
      set(raw, i64.reinterpret_f64(to)),
    ];
  }),
};

test.each(CASES)("%s is taken out and put back", (_name, raw, expected) => {
  const signed = BigInt.asIntN(64, expected);
  expect(WAYS.integers(raw)).toBe(signed);
  expect(WAYS.lanes(raw)).toBe(signed);
});
