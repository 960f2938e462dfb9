/**
 * Translates a region to a WebAssembly module with one function,
 * `region(pageBase: i64, entry: i32) -> i32`, which returns a `RegionStatus`.
 *
 * On the way in, the registers that the region uses are loaded into locals; on every way out those
 * that it may have written are stored, with pc and the budget. An exception leaves at the exact
 * instruction: the slow path has recorded it, and the caller delivers it.
 */
import { FPU_FUNCTIONS, type FpuFunction } from "../../isa/fpu.ts";
import {
  block,
  br,
  call,
  type Func,
  type I64,
  i32,
  i64,
  type Local,
  label,
  ret,
  type Stmt,
  set,
  when,
  whenUnlikely,
} from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";
import type { ValType } from "../../wasm/opcodes.ts";
import type { FpuFuncs } from "../fpu/index.ts";
import { usesFloat } from "../handlers.ts";
import type { DataFunctions } from "../hart-target.ts";
import { get, get32, put, put32, setBudgetAside } from "../state.ts";
import { tlbEntry } from "../tlb.ts";
import type { Block, Instruction, Region } from "./discover.ts";
import { type Edges, RegionTarget } from "./region-target.ts";
import { type Registers, registersOf } from "./registers.ts";
import { structure } from "./structure.ts";

/** How a region came to its end; pc and the budget are in the hart's state. */
export const RegionStatus = {
  /** Go on at pc. */
  next: 0,
  /** Deliver the recorded exception at pc. */
  trap: 1,
  /** Look at interrupts and requests, then go on at pc. */
  relook: 2,
  /** Nothing was executed: the mapping is not the one that the region was made for. */
  refused: 3,
} as const;

export const REGION_SIGNATURE = { params: ["i64", "i32"], result: "i32" } as const;

/** Where the other pages of a region must be mapped for it to run. */
export interface PageGuard {
  /** Distance from the entry's page, in pages. */
  readonly distance: number;
  /** Address of the page's code slot. */
  readonly slot: number;
}

export interface MemoryShape {
  /** Pages of 64 KiB. */
  readonly pages: number;
  readonly shared: boolean;
}

/** The functions of the core that regions call, declared when they are first used. */
class CoreImports implements DataFunctions {
  readonly #module: ModuleBuilder;
  readonly #known = new Map<string, Func>();

  constructor(module: ModuleBuilder) {
    this.#module = module;
  }

  get mmu(): DataFunctions["mmu"] {
    const use = (name: string, params: readonly ValType[]) => this.#use(name, params, "i32");
    return {
      get loadSlow() {
        return use("load_slow", ["i64", "i32"]);
      },
      get storeSlow() {
        return use("store_slow", ["i64", "i32", "i64"]);
      },
      get atomicSlow() {
        return use("atomic_slow", ["i64", "i32", "i32"]);
      },
    };
  }

  readonly fpu: FpuFuncs = new Proxy({} as FpuFuncs, {
    get: (_target, name) => {
      const { params, result } = FPU_FUNCTIONS[name as FpuFunction];
      return this.#use(name as string, params, result);
    },
  });

  get enter(): Func<"i32"> {
    return this.#use("enter_translated", ["i64"], "i32");
  }

  #use<R extends ValType>(name: string, params: readonly ValType[], result: R): Func<R> {
    const known = this.#known.get(name);
    if (known !== undefined) return known as Func<R>;
    const func = this.#module.importFunction("core", name, params, result);
    this.#known.set(name, func);
    return func;
  }
}

export function compileRegion(
  region: Region,
  guards: readonly PageGuard[],
  memory: MemoryShape,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory({
    module: "host",
    name: "memory",
    initial: memory.pages,
    maximum: memory.pages,
    shared: memory.shared,
  });
  const [pageBase, entry] = [i64.local(), i32.local()];
  const translation = new Translation(region, new CoreImports(module), pageBase);
  const body = translation.body(entry, guards);
  module.define(
    "region",
    REGION_SIGNATURE.params,
    REGION_SIGNATURE.result,
    (base, number) => [set(pageBase, base), set(entry, number), ...body],
    { export: true },
  );
  return module.encode();
}

class Translation {
  readonly #region: Region;
  readonly #core: CoreImports;
  readonly #pageBase: Local<"i64">;
  readonly #registers: Registers;
  readonly #budget = i32.local();
  readonly #exitPc = i64.local();
  readonly #status = i32.local();
  readonly #exit = label("exit");
  readonly #blockAt = new Map<number, number>();
  readonly #successors: readonly (readonly number[])[];

  constructor(region: Region, core: CoreImports, pageBase: Local<"i64">) {
    this.#region = region;
    this.#core = core;
    this.#pageBase = pageBase;
    this.#registers = registersOf(region.blocks.flatMap((b) => b.instructions));
    for (const [k, { at }] of region.blocks.entries()) this.#blockAt.set(at, k);
    this.#successors = region.blocks.map((code) => this.#successorsOf(code));
  }

  body(entry: Local<"i32">, guards: readonly PageGuard[]): Stmt[] {
    const { blocks, entries } = this.#region;
    const code = structure(
      {
        size: blocks.length,
        successors: (node) => this.#successors[node],
        emit: (node, goTo) => this.#block(blocks[node], goTo),
        // The one check of a loop: is there budget left for another turn?
        backEdge: (node) => [
          whenUnlikely(i32.le_s(this.#budget, 0), this.#leave(this.#pc(blocks[node].at))),
        ],
      },
      entries.map((at) => this.#blockAt.get(at) ?? 0),
      entry,
    );
    return [
      ...this.#guards(guards),
      ...this.#load(),
      set(this.#budget, get32("budget")),
      block(this.#exit, code),
      ...this.#store(),
      put("pc", this.#exitPc),
      put32("budget", this.#budget),
      ret(this.#status),
    ];
  }

  /** Refuses to run under another mapping, or with floating point in a state that traps. */
  #guards(guards: readonly PageGuard[]): Stmt[] {
    const refuse = [ret(i32.const(RegionStatus.refused))];
    const float = this.#region.blocks.some((b) => b.instructions.some((i) => usesFloat(i.row)));
    return [
      ...(float ? [whenUnlikely(get32("fpIllegal"), refuse)] : []),
      ...guards.flatMap(({ distance, slot }) => {
        const page = i64.add(this.#pageBase, distance * 4096);
        const at = i32.local();
        return [
          set(at, tlbEntry(get32("fetchTlb"), page)),
          whenUnlikely(i32.or(i64.ne(i64.load(at), page), i32.ne(i32.load(at, 8), slot)), refuse),
        ];
      }),
    ];
  }

  #load(): Stmt[] {
    return [...this.#registers.x.load(), ...this.#registers.f.load()];
  }

  #store(): Stmt[] {
    return [...this.#registers.x.store(), ...this.#registers.f.store()];
  }

  #pc(at: number): I64 {
    return i64.add(this.#pageBase, at);
  }

  #leave(pc: I64, status: number = RegionStatus.next): Stmt[] {
    const leave = [set(this.#exitPc, pc), br(this.#exit)];
    return status === RegionStatus.next ? leave : [set(this.#status, status), ...leave];
  }

  #charge(instructions: number): Stmt {
    return set(this.#budget, i32.sub(this.#budget, instructions));
  }

  #successorsOf({ end }: Block): number[] {
    const targets: (number | undefined)[] = [];
    if (end.kind === "branch" || end.kind === "jump") targets.push(end.target);
    if (end.kind !== "jump") targets.push(end.next);
    return targets.flatMap((at) => {
      const node = at === undefined ? undefined : this.#blockAt.get(at);
      return node === undefined ? [] : [node];
    });
  }

  #block(code: Block, goTo: (target: number) => readonly Stmt[]): Stmt[] {
    const { instructions, end } = code;
    const to = (at: number): readonly Stmt[] => {
      const node = this.#blockAt.get(at);
      return node === undefined ? this.#leave(this.#pc(at)) : goTo(node);
    };
    const transfers = end.kind !== "next";
    const plain = transfers ? instructions.slice(0, -1) : instructions;
    return [
      ...plain.flatMap((instruction, k) => this.#lower(instruction, this.#edges(instruction, k))),
      ...(instructions.length === 0 ? [] : [this.#charge(instructions.length)]),
      ...(transfers ? this.#transfer(code, instructions[instructions.length - 1], to) : []),
      ...(end.kind === "next" || end.kind === "branch" ? to(end.next) : []),
    ];
  }

  #lower(instruction: Instruction, edges: Edges): Stmt[] {
    const target = new RegionTarget(
      this.#core,
      this.#registers,
      instruction,
      this.#pageBase,
      edges,
    );
    return instruction.row.semantics(target);
  }

  /** Edges of an instruction that is followed by another, after `before` of its block. */
  #edges(instruction: Instruction, before: number): Edges {
    const next = this.#pc(instruction.at + instruction.decoded.length);
    return {
      // The faulting instruction uses budget though it does not retire.
      trap: [this.#charge(before + 1), ...this.#leave(this.#pc(instruction.at), RegionStatus.trap)],
      // The load is finished, and the region left at the next turn of a loop at the latest.
      attendLoad: setBudgetAside(this.#budget),
      // A store may have changed this very code: nothing after it may run.
      attendStore: [this.#charge(before + 1), ...this.#leave(next, RegionStatus.relook)],
      taken: [],
      computed: () => [],
    };
  }

  #transfer({ end }: Block, instruction: Instruction, to: (at: number) => readonly Stmt[]): Stmt[] {
    const taken =
      end.kind === "branch" || end.kind === "jump"
        ? to(end.target)
        : end.kind === "call"
          ? this.#call(this.#pc(end.target), end.next, to)
          : [];
    return this.#lower(instruction, {
      trap: [],
      attendLoad: [],
      attendStore: [],
      taken,
      computed: (target) =>
        end.kind === "computed" && end.next !== undefined
          ? this.#call(target, end.next, to)
          : this.#leave(target),
    });
  }

  /** A guest call as a call: if the callee is translated and comes back, the region goes on. */
  #call(target: I64, next: number, to: (at: number) => readonly Stmt[]): Stmt[] {
    const status = i32.local();
    return [
      ...this.#store(),
      put32("budget", this.#budget),
      set(status, call(this.#core.enter, target)),
      when(i32.or(status, i64.ne(get("pc"), this.#pc(next))), [ret(status)]),
      set(this.#budget, get32("budget")),
      ...this.#load(),
      ...to(next),
    ];
  }
}
