/**
 * The interpreter, generated from the instruction table. A wasm function `interpret` dispatches decoded entries
 * by `br_table` in an inner loop (`straight-code.ts`) that calls nothing; whatever needs a call is a
 * function of its own (`operations.ts`), for which it leaves the inner loop.
 *
 * Variables of the inner loop: the address of the current entry, `codeBase` (pc = codeBase + entry >> 3),
 * and the budget, one less for each instruction. The budget is looked at when control is transferred,
 * which happens at least once for each page of straight code.
 */

import {
  bind,
  block,
  br,
  call,
  callIn,
  callVoid,
  type Func,
  type FuncTable,
  type I32,
  type I64,
  i32,
  i64,
  label,
  loop,
  ret,
  run,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import { ModuleBuilder } from "../wasm/module-builder.ts";
import { csrRows, defineCsrs, fillCsrMap } from "./csrs.ts";
import { defineDecode } from "./decode.ts";
import type { CoreFunctions } from "./entry-target.ts";
import { defineFpu } from "./fpu/index.ts";
import { importHost } from "./imports.ts";
import { defineRuntime, RegionResult, RegionStatus } from "./jit/runtime.ts";
import { ENTRY, HART_MEMORY_BYTES, MAX_REGIONS, SLOT, TRANSLATION, WASM_PAGE } from "./layout.ts";
import { defineMmu } from "./mmu.ts";
import { defineOperations, OPERATION, pcOf, Status } from "./operations.ts";
import { definePmp } from "./pmp.ts";
import { DEBUG_FLAG, get, get32, put, put32 } from "./state.ts";
import { loadOp, newLoopState, straightCode } from "./straight-code.ts";
import { defineTraps } from "./traps.ts";

/** What `run` returns. */
export const ExitCode = { budget: 0, wfi: 1, stop: 2, debug: 3 } as const;

export interface InterpreterOptions {
  /** Whether the linear memory is shared. */
  readonly shared: boolean;
  /** Looks at the budget before every instruction, for single-stepping and lock-step runs. */
  readonly exact: boolean;
}

/** The most that a linear memory can have, in pages. */
const MAX_MEMORY_PAGES = 0x1_0000;

/**
 * The same module for every machine: what differs, as the size of RAM, is in the hart's state. So it
 * can be built, and compiled, before anything of the machine is known.
 */
export function buildInterpreter(options: InterpreterOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory({
    module: "host",
    name: "memory",
    initial: HART_MEMORY_BYTES / WASM_PAGE,
    maximum: MAX_MEMORY_PAGES,
    shared: options.shared,
  });
  const host = importHost(module);
  const pmp = definePmp(module);
  const decoder = defineDecode(module);
  const mmu = defineMmu(module, host, pmp, decoder);
  const traps = defineTraps(module);
  const rows = csrRows(host, mmu, traps);
  const fpu = defineFpu(module, {
    read: () => get32("fflags"),
    accrue: (flags) =>
      put32(
        "fflags",
        i32.or(get32("fflags"), typeof flags === "object" ? flags : i32.const(flags)),
      ),
  });
  const regions = defineRuntime(module, host, mmu, () => interpret);
  const core: CoreFunctions = {
    host,
    decoder,
    mmu,
    traps,
    fpu,
    regions,
    csrs: defineCsrs(module, rows),
  };
  module.define(
    "csr_peek",
    ["i32"],
    undefined,
    (id) => [put("scratch", call(core.csrs.read, id, 0))],
    { export: true },
  );
  module.define(
    "csr_poke",
    ["i32", "i64"],
    undefined,
    (id, value) => [run(call(core.csrs.write, id, value))],
    { export: true },
  );
  module.define("fill_csr_map", [], undefined, () => fillCsrMap(rows), { export: true });
  module.define("update_contexts_now", [], undefined, () => [callVoid(traps.updateContexts)], {
    export: true,
  });
  module.importTable({ module: "host", name: "table", initial: 0, maximum: MAX_REGIONS });
  for (const func of [mmu.atomicSlow, mmu.cacheBlock, ...Object.values(fpu)]) module.export(func);
  const interpret: Func<"i64"> = defineInterpret(
    module,
    core,
    defineOperations(module, core),
    options.exact,
  );
  defineRun(module, core, interpret, options.exact);
  return module.encode();
}

/** Adds to a field of the state. */
const bump = (field: "instretAnchor", by: I64): Stmt => put(field, i64.add(get(field), by));

/** Runs for `budget` instructions at most, and delivers what comes up on the way. */
function defineRun(
  module: ModuleBuilder,
  core: CoreFunctions,
  interpret: Func<"i64">,
  exact: boolean,
): void {
  module.define(
    "run",
    ["i32"],
    "i32",
    (budget) => {
      const relook = label("relook");
      const leave = (code: number): Stmt[] => [
        // Between runs the anchor holds minstret itself.
        bump("instretAnchor", i64.sub(0, i64.extend_i32_s(get32("budget")))),
        ret(i32.const(code)),
      ];
      return [
        bump("instretAnchor", i64.extend_i32_s(budget)),
        put32("budget", budget),
        loop(relook, [
          when(get32("budgetHeld"), [
            put32("budget", i32.add(get32("budget"), get32("budgetHeld"))),
            bump("instretAnchor", i64.extend_i32_s(get32("budgetHeld"))),
            put32("budgetHeld", 0),
          ]),
          when(get32("attention"), exact ? interruptsUnlessHeld(core) : interrupts(core)),
          when(get32("stopRequested"), leave(ExitCode.stop)),
          when(get32("waiting"), leave(ExitCode.wfi)),
          when(i32.le_s(get32("budget"), 0), leave(ExitCode.budget)),
          run(exact ? call(interpret) : call(core.regions.dispatch, get("pc"), -1, 0, 0)),
          br(relook, i32.ne(get32("regionStatus"), RegionStatus.trap)),
          // The instruction did not retire, but has used a unit of the budget.
          bump("instretAnchor", i64.const(-1)),
          put32("trapCount", i32.add(get32("trapCount"), 1)),
          when(i32.and(get32("faultCause"), DEBUG_FLAG), leave(ExitCode.debug)),
          callVoid(core.traps.takeTrap),
          br(relook),
        ]),
        ret(i32.const(ExitCode.budget)),
      ];
    },
    { export: true },
  );
}

/**
 * Interprets from pc on: one instruction, and all that follow up to one that translated code begins
 * with. Returns that one's address, or `LEFT` as a region does.
 */
function defineInterpret(
  module: ModuleBuilder,
  core: CoreFunctions,
  operations: FuncTable,
  exact: boolean,
): Func<"i64"> {
  return module.define("interpret", [], "i64", () => {
    const s = newLoopState();
    const [relook, fault, go] = [label("relook"), label("fault"), label("go")];
    const leave = (status: number): Stmt[] => [
      put32("regionStatus", status),
      ret(i64.const(RegionResult.left)),
    ];
    const save = (pc: I64): Stmt[] => [put("pc", pc), put32("budget", s.budget)];
    const execute = (op: I32): Stmt[] =>
      bind(callIn(operations, OPERATION, op, s.entry, s.codeBase), (status) => [
        br(go, i32.eqz(status)),
        br(relook, i32.eq(status, Status.relook)),
        br(fault),
      ]);
    return [
      put("interpretOnce", get("pc")),
      block(relook, [
        block(fault, [
          // Around the straight code all is in the state, and not in variables: one that is needed after
          // a call would be kept in memory in the inner loop, too.
          loop(go, [
            block(s.miss, [
              block(s.away, [
                block(s.spent, straightCode(core, s, exact)),
                ...save(s.target),
                br(relook),
              ]),
              ...save(pcOf(s)),
              loadOp(s),
              when(i32.ge_u(s.op, TRANSLATION.firstOp), [
                ...(exact ? [] : returnUnlessFirst()),
                set(s.op, i32.load16_u(s.entry, ENTRY.replaced)),
              ]),
              ...execute(s.op),
            ]),
            ...save(s.target),
            set(s.entry, call(core.mmu.fetch, s.target)),
            br(go, i32.ge_u(s.entry, SLOT.base)),
            // The page stays unknown to the TLB: an instruction that must be looked up each time.
            put32("budget", i32.sub(get32("budget"), 1)),
            br(fault, i32.eqz(s.entry)),
            set(s.codeBase, get("codeBase")),
            ...execute(i32.load16_u(s.entry, ENTRY.op)),
          ]),
        ]),
        ...leave(RegionStatus.trap),
      ]),
      ...leave(RegionStatus.relook),
    ];
  });
}

const interrupts = (core: CoreFunctions): Stmt[] => [callVoid(core.traps.checkInterrupts)];

const interruptsUnlessHeld = (core: CoreFunctions): Stmt[] => [
  when(i32.eqz(get32("interruptsHeld")), interrupts(core)),
];

/** At what translated code begins with: the unit of budget is given back, for nothing was executed. */
const returnUnlessFirst = (): Stmt[] => [
  when(i64.ne(get("interpretOnce"), get("pc")), [
    put32("budget", i32.add(get32("budget"), 1)),
    ret(get("pc")),
  ]),
  put("interpretOnce", -1),
];
