/** What a region's module takes from the core module. */
import { FPU_FUNCTIONS, type FpuFunction } from "../../isa/fpu.ts";
import type { Func } from "../../wasm/expr.ts";
import type { ModuleBuilder } from "../../wasm/module-builder.ts";
import type { ValType } from "../../wasm/opcodes.ts";
import type { FpuFuncs } from "../fpu/index.ts";
import type { RegionFunctions } from "./region-target.ts";

/** The functions of the core that regions call, declared when they are first used. */
export class CoreImports implements RegionFunctions {
  readonly #module: ModuleBuilder;
  readonly #known = new Map<string, Func>();

  constructor(module: ModuleBuilder) {
    this.#module = module;
  }

  get mmu(): RegionFunctions["mmu"] {
    const use = (name: string, params: readonly ValType[]) => this.#use(name, params, "i32");
    return {
      get atomicSlow() {
        return use("atomic_slow", ["i64", "i32", "i32"]);
      },
      get cacheBlock() {
        return use("cache_block", ["i32", "i64", "i32"]);
      },
    };
  }

  readonly fpu: FpuFuncs = new Proxy({} as FpuFuncs, {
    get: (_target, name) => {
      const { params, result } = FPU_FUNCTIONS[name as FpuFunction];
      return this.#use(name as string, params, result);
    },
  });

  get regionLoad(): Func<"i32"> {
    return this.#use("region_load", ["i64", "i32", "i32"], "i32");
  }

  get regionStore(): Func<"i32"> {
    return this.#use("region_store", ["i64", "i32", "i64", "i32"], "i32");
  }

  get retreated(): Func<undefined> {
    return this.#use("retreated", ["i32"], undefined);
  }

  get resume(): Func<"i64"> {
    return this.#use("resume", ["i64", "i64", "i64", "i32", "i32"], "i64");
  }

  get validate(): Func<"i32"> {
    return this.#use("validate", ["i32", "i64"], "i32");
  }

  get poll(): Func<"i32"> {
    return this.#use("poll", ["i32"], "i32");
  }

  #use<R extends ValType | undefined>(
    name: string,
    params: readonly ValType[],
    result: R,
  ): Func<R> {
    const known = this.#known.get(name);
    if (known !== undefined) return known as Func<R>;
    const func = this.#module.importFunction("core", name, params, result);
    this.#known.set(name, func);
    return func;
  }
}
