import { describe, expect, test } from "vitest";
import { f32, f64, i32, i64, lowSingle, ret, set } from "./expr.ts";
import { ModuleBuilder } from "./module-builder.ts";

const [a32, a64, d, e, s] = [i32.local(), i64.local(), f64.local(), f64.local(), f32.local()];
const HIGH = 0xffff_ffff_0000_0000n;

describe("reinterpretations", () => {
  test("there and back are nothing", () => {
    expect(i64.reinterpret_f64(f64.reinterpret_i64(a64))).toBe(a64);
    expect(f64.reinterpret_i64(i64.reinterpret_f64(d))).toBe(d);
    expect(i32.reinterpret_f32(f32.reinterpret_i32(a32))).toBe(a32);
    expect(f32.reinterpret_i32(i32.reinterpret_f32(s))).toBe(s);
  });

  test("of loads and stores change their type", () => {
    expect(f64.reinterpret_i64(i64.load(a32, 8))).toEqual(f64.load(a32, 8));
    expect(i32.reinterpret_f32(f32.load(a32))).toEqual(i32.load(a32));
    expect(i64.store(a32, i64.reinterpret_f64(d), 8)).toEqual(f64.store(a32, d, 8));
    expect(f32.store(a32, f32.reinterpret_i32(a32))).toEqual(i32.store(a32, a32));
    expect(f64.reinterpret_i64(i64.load32_u(a32)).kind).toBe("numeric");
    expect(i64.store16(a32, i64.reinterpret_f64(d))).toMatchObject({ value: { kind: "numeric" } });
  });

  test("reach the value of a sequence", () => {
    const body = [set(d, f64.add(d, e))];
    expect(f64.reinterpret_i64(i64.seq(body, i64.reinterpret_f64(d)))).toEqual(f64.seq(body, d));
  });
});

describe("injected signs", () => {
  test("of the value itself are a move, a negation and an absolute value", () => {
    expect(f64.copysign(d, d)).toBe(d);
    expect(f64.copysign(d, f64.neg(d))).toEqual(f64.neg(d));
    const bits = i64.reinterpret_f64(d);
    expect(f64.copysign(d, f64.reinterpret_i64(i64.xor(bits, bits)))).toEqual(f64.abs(d));
    const single = () => f32.select(i64.eqz(a64), lowSingle(d), f32.const(1));
    expect(f32.copysign(single(), single())).toEqual(single());
    expect(f32.copysign(single(), lowSingle(e)).kind).toBe("numeric");
    expect(f64.copysign(f64.load(a32), f64.load(a32)).kind).toBe("numeric");
    expect(f64.copysign(d, e).kind).toBe("numeric");
    expect(f64.copysign(d, f64.const(-0))).not.toEqual(f64.abs(d));
  });
});

describe("low words", () => {
  test("lose an upper half that is set on the way", () => {
    expect(i32.wrap_i64(i64.or(i64.extend_i32_u(a32), HIGH))).toBe(a32);
    expect(i32.wrap_i64(i64.or(i64.load32_u(a32, 4), HIGH))).toEqual(i32.load(a32, 4));
    expect(i64.extend32_s(i64.or(i64.extend_i32_u(a32), HIGH))).toEqual(i64.extend_i32_s(a32));
    expect(i64.store32(a32, i64.or(i64.extend_i32_u(i32.reinterpret_f32(s)), HIGH))).toEqual(
      f32.store(a32, s),
    );
    expect(i32.wrap_i64(i64.or(a64, HIGH + 1n))).toMatchObject({ args: [{ kind: "numeric" }] });
  });
});

test("signalling NaNs pass through float variables, negations and memory", () => {
  const module = new ModuleBuilder();
  module.importMemory({ module: "host", name: "memory", initial: 1, maximum: 1, shared: false });
  const options = { export: true };
  module.define(
    "pass",
    ["i64"],
    "i64",
    (bits) => [
      set(d, f64.reinterpret_i64(bits)),
      i64.store(0, i64.reinterpret_f64(f64.neg(d))),
      set(e, f64.copysign(f64.reinterpret_i64(i64.load(0)), d)),
      ret(i64.reinterpret_f64(e)),
    ],
    options,
  );
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    host: { memory },
  });
  const pass = exports.pass as (bits: bigint) => bigint;
  for (const bits of [0x7ff0_0000_0000_0001n, -(2n ** 63n) + 0x7ff4_0000_0000_0123n]) {
    expect(pass(bits)).toBe(bits);
    expect(new BigInt64Array(memory.buffer)[0]).toBe(BigInt.asIntN(64, bits ^ (1n << 63n)));
  }
});
