import { describe, expect, test } from "vitest";
import {
  bind,
  block,
  br,
  brTable,
  call,
  callIndirect,
  callVoid,
  f64,
  fill,
  i32,
  i64,
  label,
  letIn,
  loop,
  ret,
  set,
  when,
  whenUnlikely,
} from "./expr.ts";
import { ModuleBuilder } from "./module-builder.ts";

function instantiate(builder: ModuleBuilder, imports: WebAssembly.Imports = {}) {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), imports);
  return instance.exports as Record<string, (...args: (number | bigint)[]) => number | bigint>;
}

describe("ModuleBuilder", () => {
  test("loops, branches and locals", () => {
    const m = new ModuleBuilder();
    m.define(
      "factorial",
      ["i64"],
      "i64",
      (n) => {
        const product = i64.local();
        const again = label("again");
        return [
          set(product, 1),
          loop(again, [
            set(product, i64.mul(product, n)),
            set(n, i64.sub(n, 1)),
            br(again, i64.gt_u(n, 1)),
          ]),
          ret(product),
        ];
      },
      { export: true },
    );
    expect(instantiate(m).factorial(20n)).toBe(2432902008176640000n);
  });

  test("functions call each other whatever their order, and imports", () => {
    const m = new ModuleBuilder();
    const seen: number[] = [];
    const log = m.importFunction("host", "log", ["i32"], undefined);
    m.define("outer", ["i32"], "i32", (x) => [callVoid(log, x), ret(call(inner, x))], {
      export: true,
    });
    const inner = m.define("inner", ["i32"], "i32", (x) => [ret(i32.add(x, 1))]);
    const { outer } = instantiate(m, { host: { log: (x: number) => seen.push(x) } });
    expect(outer(41)).toBe(42);
    expect(seen).toEqual([41]);
  });

  test("br_table selects and branch hints are accepted by the engine", () => {
    const m = new ModuleBuilder();
    m.define(
      "pick",
      ["i32"],
      "i32",
      (x) => {
        const [a, b, other] = [label("a"), label("b"), label("other")];
        return [
          whenUnlikely(i32.eq(x, 7), [ret(i32.const(70))]),
          block(other, [
            block(b, [block(a, [brTable(x, [a, b], other)]), ret(i32.const(10))]),
            ret(i32.const(20)),
          ]),
          ret(i32.const(30)),
        ];
      },
      { export: true },
    );
    const { pick } = instantiate(m);
    expect([0, 1, 2, 7, -1].map((x) => pick(x))).toEqual([10, 20, 30, 70, 30]);
  });

  test("memory accesses, fill and sequences", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const m = new ModuleBuilder();
    m.importMemory({ module: "host", name: "memory", initial: 1, maximum: 1, shared: false });
    m.define(
      "work",
      ["i32"],
      "i64",
      (at) => [
        fill(at, 0xff, 8),
        i64.store16(at, 0x1234, 2),
        ...bind(i64.load(at), (v) => [when(i64.eqz(v), [ret(i64.const(0))])]),
        ret(letIn(i64.load(at), (v) => i64.xor(v, -1))),
      ],
      { export: true },
    );
    expect(instantiate(m, { host: { memory } }).work(16)).toBe(
      ~0xffffffff1234ffffn & (2n ** 64n - 1n),
    );
  });

  test("calls through a table", () => {
    const table = new WebAssembly.Table({ element: "anyfunc", initial: 2, maximum: 2 });
    const adder = new ModuleBuilder();
    adder.define("addOne", ["i32"], "i32", (x) => [ret(i32.add(x, 1))], { export: true });
    table.set(1, instantiate(adder).addOne);
    const m = new ModuleBuilder();
    m.importTable({ module: "host", name: "table", initial: 2, maximum: 2 });
    m.define(
      "go",
      ["i64", "i32"],
      "i32",
      (_unused, x) => [ret(callIndirect({ params: ["i32"], result: "i32" }, 1, x))],
      { export: true },
    );
    expect(instantiate(m, { host: { table } }).go(0n, 41)).toBe(42);
  });

  test("64-bit and floating constants survive encoding", () => {
    const wide = [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0x1234_5678_9abc_def0n, 127n, 128n, -64n];
    for (const value of wide) {
      const m = new ModuleBuilder();
      m.define("c", [], "i64", () => [ret(i64.const(value))], { export: true });
      expect(instantiate(m).c()).toBe(value);
    }
    const m = new ModuleBuilder();
    m.define("pi", [], "f64", () => [ret(f64.const(Math.PI))], { export: true });
    expect(instantiate(m).pi()).toBe(Math.PI);
  });

  test("constants fold and wrong types are refused", () => {
    expect(i64.add(2, 3)).toEqual(i64.const(5));
    expect(i32.add(0x7fffffff, 1)).toEqual(i32.const(-0x80000000));
    const x = i64.local();
    expect(i64.or(x, 0)).toBe(x);
    expect(i64.select(1, x, 5)).toBe(x);
    const m = new ModuleBuilder();
    m.define("bad", ["i32"], "i32", (p) => [{ kind: "set", local: p, value: i64.const(1) }]);
    expect(() => m.encode()).toThrow("expected i32, got i64");
  });

  test("a branch out of nowhere is refused", () => {
    const m = new ModuleBuilder();
    m.define("bad", [], undefined, () => [br(label("nowhere"))]);
    expect(() => m.encode()).toThrow("no enclosing block nowhere");
  });
});
