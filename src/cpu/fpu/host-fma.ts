/** Whether the host has a fused multiply-add that WebAssembly can reach. */
import { relaxedMadd, ret } from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";

let known: boolean | undefined;

/**
 * Whether `relaxed_madd` exists and rounds once. A host decides that once for all calls (WebAssembly
 * Core Specification 3.0, 4.3.4: the choice is a parameter of the execution environment), so that one
 * example a format tells: (1 + e) * (1 - e) - 1 is -e^2, and 0 if the product is rounded.
 */
export function hostFusesMultiplyAdd(): boolean {
  known ??= tryOut();
  return known;
}

function tryOut(): boolean {
  const module = new ModuleBuilder();
  for (const type of ["f32", "f64"] as const) {
    module.define(type, [type, type, type], type, (a, b, c) => [ret(relaxedMadd(type, a, b, c))], {
      export: true,
    });
  }
  const bytes = module.encode();
  if (!WebAssembly.validate(bytes)) return false;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return (
    [
      ["f32", 2 ** -15],
      ["f64", 2 ** -30],
    ] as const
  ).every(([type, e]) => {
    const fma = exports[type] as (a: number, b: number, c: number) => number;
    return fma(1 + e, 1 - e, -1) === -e * e;
  });
}
