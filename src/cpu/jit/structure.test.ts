import fc from "fast-check";
import { expect, test } from "vitest";
import { br, i32, i64, label, loop, ret, type Stmt, set, when } from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";
import { structure } from "./structure.ts";

/** A graph as the successors of each node, and the nodes at which it can be entered. */
interface Shape {
  readonly successors: readonly (readonly number[])[];
  readonly entries: readonly number[];
  /** Nodes that stand for ways in: nothing leads to them. */
  readonly outside: readonly number[];
}

/** What a walk does at each node: mixes the node's number into a hash that also picks the way on. */
const MULTIPLIER = 0x9e37_79b9_7f4a_7c15n;
const mask = (value: bigint) => BigInt.asUintN(64, value);

function walk({ successors, entries }: Shape, entry: number, steps: number): bigint {
  let hash = 1n;
  let node = entries[entry];
  for (let left = steps; left > 0; left--) {
    hash = mask((hash ^ BigInt(node)) * MULTIPLIER);
    const next = successors[node];
    if (next.length === 0) return hash;
    node = next.length === 1 ? next[0] : next[Number((hash >> 40n) & 1n)];
  }
  return hash;
}

function compile({
  successors,
  entries,
  outside: ways,
}: Shape): (entry: number, steps: number) => bigint {
  const m = new ModuleBuilder();
  const outside = new Set(ways);
  m.define(
    "walk",
    ["i32", "i32"],
    "i64",
    (entry, steps) => {
      const hash = i64.local();
      const body = structure(
        {
          size: successors.length,
          successors: (node) => successors[node],
          emit: (node, goTo) => {
            const next = successors[node];
            const code: Stmt[] = [
              when(i32.eqz(steps), [ret(hash)]),
              set(steps, i32.sub(steps, 1)),
              set(hash, i64.mul(i64.xor(hash, node), MULTIPLIER)),
            ];
            if (next.length === 0) return [...code, ret(hash)];
            if (next.length === 1) return [...code, ...goTo(next[0])];
            const second = i32.wrap_i64(i64.and(i64.shr_u(hash, 40), 1));
            return [...code, when(second, goTo(next[1])), ...goTo(next[0])];
          },
          backEdge: () => [],
          isOutside: (node) => outside.has(node),
        },
        entries,
        entry,
      );
      return [set(hash, 1), ...body, ret(hash)];
    },
    { export: true },
  );
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.encode()));
  const run = instance.exports.walk as (entry: number, steps: number) => bigint;
  return (entry, steps) => mask(run(entry, steps));
}

const shapes: fc.Arbitrary<Shape> = fc.integer({ min: 1, max: 14 }).chain((size) => {
  const node = fc.integer({ min: 0, max: size - 1 });
  return fc.record({
    successors: fc.array(fc.array(node, { maxLength: 2 }), { minLength: size, maxLength: size }),
    entries: fc.uniqueArray(node, { minLength: 1, maxLength: Math.min(4, size) }),
    outside: fc.uniqueArray(node, { maxLength: 2 }),
  });
});

test("structured code takes the same way as the graph", () => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const run = compile(shape);
      for (let entry = 0; entry < shape.entries.length; entry++) {
        for (const steps of [0, 1, 3, 17, 100]) {
          expect(run(entry, steps)).toBe(walk(shape, entry, steps));
        }
      }
    }),
    { numRuns: 400 },
  );
});

test("a way back that ends the loop is asked for at every turn", () => {
  const m = new ModuleBuilder();
  const turns: number[] = [];
  m.define(
    "spin",
    ["i32"],
    "i32",
    (budget) => {
      const out = label("out");
      const body = structure(
        {
          size: 1,
          successors: () => [0],
          emit: (_node, goTo) => [set(budget, i32.sub(budget, 1)), ...goTo(0)],
          isOutside: () => false,
          backEdge: (_from, node) => {
            turns.push(node);
            return [when(i32.le_s(budget, 0), [ret(i32.const(7))])];
          },
        },
        [0],
        i32.local(),
      );
      return [loop(out, [...body, br(out)]), ret(i32.const(0))];
    },
    { export: true },
  );
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.encode()));
  expect((instance.exports.spin as (budget: number) => number)(1000)).toBe(7);
  expect(turns).toEqual([0]);
});
