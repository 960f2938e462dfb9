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

/** The parameters without the rounding mode, which only an i32 in the last place can be. */
function operandTypes(name: FpuFunction): ("i32" | "i64")[] {
  const { params } = FPU_FUNCTIONS[name];
  const withoutMode = /_(min|max|eq|lt|le|classify)$|^f32_to_f64$|^[iu]32_to_f64$/.test(name);
  return withoutMode ? [...params] : params.slice(0, -1);
}
