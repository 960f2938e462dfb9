/**
 * The interpreter, generated from the instruction table: one wasm function that dispatches decoded
 * entries by `br_table`.
 *
 * Locals of the loop: the address of the current entry, `codeBase` (pc = codeBase + entry >> 3), and
 * the budget, one less for each instruction. The budget is looked at when control is transferred,
 * which happens at least once for each page of straight code.
 */

import type { Row } from "../isa/row.ts";
import { hasField } from "../isa/table.ts";
import {
  block,
  br,
  brTable,
  call,
  callVoid,
  type Func,
  type I64,
  i32,
  i64,
  type Local,
  label,
  loop,
  ret,
  run,
  type Stmt,
  set,
  when,
  whenLikely,
  whenUnlikely,
} from "../wasm/expr.ts";
import { ModuleBuilder } from "../wasm/module-builder.ts";
import { csrRows, defineCsrs, fillCsrMap } from "./csrs.ts";
import { defineDecode } from "./decode.ts";
import {
  type Continuations,
  type CoreFunctions,
  EntryTarget,
  illegalInstruction,
} from "./entry-target.ts";
import { defineFpu } from "./fpu/index.ts";
import { type Handler, handlers, isInline, needsHart, SpecialOp, usesFloat } from "./handlers.ts";
import { importHost } from "./imports.ts";
import { defineRuntime, enterByOp, RegionResult, RegionStatus } from "./jit/runtime.ts";
import { ENTRY, HART_MEMORY_BYTES, MAX_REGIONS, WASM_PAGE } from "./layout.ts";
import { defineMmu } from "./mmu.ts";
import { definePmp } from "./pmp.ts";
import { DEBUG_FLAG, get, get32, put, put32, recordFault, setBudgetAside } from "./state.ts";
import { codeBaseOf, entryInSlot, tlbEntry } from "./tlb.ts";
import { defineTraps } from "./traps.ts";

/** What `run` returns. */
export const ExitCode = { budget: 0, wfi: 1, stop: 2, debug: 3 } as const;

/** What an out-of-line handler returns. */
const Status = { next: 0, trap: 1, steer: 2 } as const;

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
  const regions = defineRuntime(module, host, mmu);
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
  const outOfLine = defineOutOfLine(module, core);
  module.importTable({ module: "host", name: "table", initial: 0, maximum: MAX_REGIONS });
  for (const func of [mmu.atomicSlow, mmu.cacheBlock, ...Object.values(fpu)]) module.export(func);
  defineRun(module, core, outOfLine, options.exact);
  return module.encode();
}

/** Rows that are functions: (entry, codeBase) to a status. */
function defineOutOfLine(module: ModuleBuilder, core: CoreFunctions): Map<Row, Func<"i32">> {
  const functions = new Map<Row, Func<"i32">>();
  for (const { row } of handlers()) {
    if (isInline(row) || functions.has(row)) continue;
    const func = module.define(`op_${row.name}`, ["i32", "i64"], "i32", (entry, codeBase) => {
      const status = (code: number): Stmt[] => [ret(i32.const(code))];
      const target = new EntryTarget(core, entry, codeBase, 4, {
        trap: status(Status.trap),
        // The loop looks at `attention` after these only when they steer; see `attend` there.
        attend: [],
        steer: status(Status.steer),
        relative: [],
        distance: i64.const(0),
        absolute: () => [],
      });
      return [
        ...floatGuard(row, core, entry, status(Status.trap)),
        ...row.semantics(target),
        ret(i32.const(Status.next)),
      ];
    });
    functions.set(row, func);
  }
  return functions;
}

/** Floating-point instructions are illegal while FS is off, or with a reserved dynamic mode. */
function floatGuard(
  row: Row,
  core: CoreFunctions,
  entry: Local<"i32">,
  trap: readonly Stmt[],
): Stmt[] {
  if (!usesFloat(row)) return [];
  const relevant = hasField(row, "rm")
    ? i32.select(i32.eq(i32.load8_u(entry, ENTRY.rm), 7), 3, 1)
    : i32.const(1);
  return [
    when(i32.and(get32("fpIllegal"), relevant), [...illegalInstruction(core, entry), ...trap]),
  ];
}

/** Adds to a field of the state. */
const bump = (field: "instretAnchor", by: I64): Stmt => put(field, i64.add(get(field), by));

function defineRun(
  module: ModuleBuilder,
  core: CoreFunctions,
  outOfLine: ReadonlyMap<Row, Func<"i32">>,
  exact: boolean,
): void {
  module.define(
    "run",
    ["i32"],
    "i32",
    (budget) => {
      const loopState: LoopState = {
        entry: i32.local(),
        codeBase: i64.local(),
        target: i64.local(),
        budget,
        relook: label("relook"),
        jump: label("jump"),
        next: label("next"),
        redispatch: label("redispatch"),
        op: i32.local(),
        trap: label("trap"),
        fault: label("fault"),
      };
      const { entry, op, target, relook, jump, next, redispatch, trap, fault } = loopState;
      const leave = (code: number): Stmt[] => [
        put32("budget", budget),
        // Between runs the anchor holds minstret itself.
        bump("instretAnchor", i64.sub(0, i64.extend_i32_s(budget))),
        ret(i32.const(code)),
      ];
      return [
        bump("instretAnchor", i64.extend_i32_s(budget)),
        loop(relook, [
          when(get32("budgetHeld"), [
            set(budget, i32.add(budget, get32("budgetHeld"))),
            bump("instretAnchor", i64.extend_i32_s(get32("budgetHeld"))),
            put32("budgetHeld", 0),
          ]),
          when(get32("attention"), exact ? interruptsUnlessHeld(core) : interrupts(core)),
          when(get32("stopRequested"), leave(ExitCode.stop)),
          when(get32("waiting"), leave(ExitCode.wfi)),
          when(i32.le_s(budget, 0), leave(ExitCode.budget)),
          set(target, get("pc")),
          loop(jump, [
            block(fault, [
              block(trap, [
                ...enterPage(core, loopState),
                loop(next, [
                  ...(exact
                    ? [when(i32.le_s(budget, 0), [...storePc(loopState), br(relook)])]
                    : []),
                  set(budget, i32.sub(budget, 1)),
                  set(op, i32.load16_u(entry, ENTRY.op)),
                  loop(redispatch, dispatch(core, loopState, outOfLine, exact)),
                ]),
              ]),
              ...storePc(loopState),
            ]),
            // The instruction did not retire, but has used a unit of the budget.
            bump("instretAnchor", i64.const(-1)),
            put32("trapCount", i32.add(get32("trapCount"), 1)),
            when(i32.and(get32("faultCause"), DEBUG_FLAG), leave(ExitCode.debug)),
            callVoid(core.traps.takeTrap),
            br(relook),
          ]),
        ]),
        ret(i32.const(ExitCode.budget)),
      ];
    },
    { export: true },
  );
}

const interrupts = (core: CoreFunctions): Stmt[] => [callVoid(core.traps.checkInterrupts)];

const interruptsUnlessHeld = (core: CoreFunctions): Stmt[] => [
  when(i32.eqz(get32("interruptsHeld")), interrupts(core)),
];

interface LoopState {
  /** Address of the current entry. */
  readonly entry: Local<"i32">;
  readonly codeBase: Local<"i64">;
  /** The handler to go to. */
  readonly op: Local<"i32">;
  /** Where `jump` goes. */
  readonly target: Local<"i64">;
  readonly budget: Local<"i32">;
  /** Labels to branch to: look at everything and go on at the state's pc; go to `target`; */
  readonly relook: ReturnType<typeof label>;
  readonly jump: ReturnType<typeof label>;
  /** execute `entry`; raise the recorded exception at `entry`; or at the state's pc. */
  readonly next: ReturnType<typeof label>;
  /** (the same with the handler in `op`) */
  readonly redispatch: ReturnType<typeof label>;
  readonly trap: ReturnType<typeof label>;
  readonly fault: ReturnType<typeof label>;
}

const pcOf = (s: LoopState): I64 => i64.add(s.codeBase, i64.extend_i32_u(i32.shr_u(s.entry, 3)));
const storePc = (s: LoopState): Stmt[] => [put("pc", pcOf(s))];

/** Finds the decoded entry of `target`, if there is budget left to execute it. */
function enterPage(core: CoreFunctions, s: LoopState): Stmt[] {
  const [tlb, slot] = [i32.local(), i32.local()];
  return [
    when(i32.le_s(s.budget, 0), [put("pc", s.target), br(s.relook)]),
    set(tlb, tlbEntry(get32("fetchTlb"), s.target)),
    whenLikely(
      i64.eq(i64.load(tlb), i64.and(s.target, -4096)),
      [
        set(slot, i32.load(tlb, 8)),
        set(s.codeBase, codeBaseOf(s.target, slot)),
        set(s.entry, entryInSlot(slot, s.target)),
      ],
      [
        set(s.entry, call(core.mmu.fetch, s.target)),
        when(i32.eqz(s.entry), [
          put("pc", s.target),
          set(s.budget, i32.sub(s.budget, 1)),
          br(s.fault),
        ]),
        set(s.codeBase, get("codeBase")),
      ],
    ),
  ];
}

/** The switch: one block for each handler, innermost first. */
function dispatch(
  core: CoreFunctions,
  s: LoopState,
  outOfLine: ReadonlyMap<Row, Func<"i32">>,
  exact: boolean,
): Stmt[] {
  const bodies = [
    ...specialBodies(core, s),
    ...handlers().map((h) => handlerBody(core, s, h, outOfLine)),
  ];
  const labels = bodies.map((_, k) => label(`op${k}`));
  const translated = label("translated");
  let inner: Stmt[] = [brTable(s.op, labels, translated)];
  for (const [k, body] of bodies.entries()) inner = [block(labels[k], inner), ...body];
  return [block(translated, inner), ...translatedBody(core, s, exact)];
}

/** Runs translated code, or where it refuses (and in exact runs) the instruction it stands for. */
function translatedBody(core: CoreFunctions, s: LoopState, exact: boolean): Stmt[] {
  const replaced = [set(s.op, i32.load16_u(s.entry, ENTRY.replaced)), br(s.redispatch)];
  if (exact) return replaced;
  const isRefused = i64.eq(s.target, RegionResult.refused);
  const hasLeft = i32.and(i32.wrap_i64(s.target), 1);
  return [
    whenUnlikely(i64.eq(get("interpretOnce"), pcOf(s)), [put("interpretOnce", -1), ...replaced]),
    put32("budget", i32.add(s.budget, 1)),
    set(s.target, enterByOp(s.op, i64.and(pcOf(s), -4096), i32.const(0))),
    when(isRefused, replaced),
    when(i32.eqz(hasLeft), [set(s.target, call(core.regions.dispatch, s.target, 0, -1))]),
    set(s.budget, get32("budget")),
    when(hasLeft, [br(s.fault, i32.eq(get32("regionStatus"), RegionStatus.trap)), br(s.relook)]),
    br(s.jump),
  ];
}

/** Gives back the unit of budget of a dispatch that executed no instruction. */
const refund = (s: LoopState): Stmt => set(s.budget, i32.add(s.budget, 1));

function specialBodies(core: CoreFunctions, s: LoopState): Stmt[][] {
  const bodies: Stmt[][] = [];
  bodies[SpecialOp.decode] = [callVoid(core.decoder.decode, s.entry), refund(s), br(s.next)];
  bodies[SpecialOp.pageEnd] = [refund(s), set(s.target, pcOf(s)), br(s.jump)];
  bodies[SpecialOp.straddle] = [
    set(s.target, pcOf(s)),
    set(s.entry, call(core.mmu.fetchSingle, s.target)),
    when(i32.eqz(s.entry), [put("pc", s.target), br(s.fault)]),
    set(s.codeBase, get("codeBase")),
    refund(s),
    br(s.next),
  ];
  bodies[SpecialOp.illegal] = [...illegalInstruction(core, s.entry), br(s.trap)];
  bodies[SpecialOp.breakpoint] = [
    when(call(core.host.stopsAt, pcOf(s)), [...recordFault(DEBUG_FLAG, i64.const(0)), br(s.trap)]),
    set(s.op, i32.load16_u(s.entry, ENTRY.replaced)),
    br(s.redispatch),
  ];
  return bodies;
}

function handlerBody(
  core: CoreFunctions,
  s: LoopState,
  { row, length, near }: Handler,
  outOfLine: ReadonlyMap<Row, Func<"i32">>,
): Stmt[] {
  const advance: Stmt[] = [set(s.entry, i32.add(s.entry, (length / 2) * ENTRY.bytes)), br(s.next)];
  const func = outOfLine.get(row);
  if (func !== undefined) return [...callHandler(s, row, func), ...advance];
  const target = new EntryTarget(core, s.entry, s.codeBase, length, continuations(s, near));
  return [...floatGuard(row, core, s.entry, [br(s.trap)]), ...row.semantics(target), ...advance];
}

function callHandler(s: LoopState, row: Row, func: Func<"i32">): Stmt[] {
  const status = i32.local();
  const invoke = call(func, s.entry, s.codeBase);
  if (!needsHart(row)) return [br(s.trap, invoke)];
  return [
    ...storePc(s),
    put32("budget", s.budget),
    set(status, invoke),
    when(status, [br(s.trap, i32.eq(status, Status.trap)), br(s.relook)]),
  ];
}

function continuations(s: LoopState, near: boolean): Continuations {
  const immediate = i32.load(s.entry, ENTRY.imm);
  return {
    trap: [br(s.trap)],
    attend: setBudgetAside(s.budget),
    steer: [br(s.relook)],
    // A near handler's immediate counts entries of 16 bytes for two bytes of code.
    distance: i64.extend_i32_s(near ? i32.shr_s(immediate, 3) : immediate),
    relative: near
      ? [
          set(s.entry, i32.add(s.entry, immediate)),
          br(s.next, i32.gt_s(s.budget, 0)),
          ...storePc(s),
          br(s.relook),
        ]
      : [set(s.target, i64.add(pcOf(s), i64.extend_i32_s(immediate))), br(s.jump)],
    absolute: (target) => [set(s.target, target), br(s.jump)],
  };
}
