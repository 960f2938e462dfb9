/**
 * What translated code and the interpreter's main loop call to get from one region to the next. A
 * region is a function `(entry, pageBase, depth) -> result`:
 *
 * - `entry`: which of its ways in is meant; `pageBase`: guest address of the page it was found from;
 *   `depth`: calls of regions under way, one inside the other.
 * - An even result is the address where the guest goes on. `LEFT` says that the region ended on the
 *   way, for the reason in `regionStatus` and at the state's pc; `REFUSED` that nothing was executed.
 *
 * Between regions all registers and the budget are in the hart's state.
 */
import {
  bind,
  block,
  br,
  call,
  callIndirect,
  callVoid,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  label,
  loop,
  ret,
  type Stmt,
  set,
  when,
  whenUnlikely,
} from "../../wasm/expr.ts";
import type { ModuleBuilder } from "../../wasm/module-builder.ts";
import type { HostFunctions } from "../imports.ts";
import { ENTRY, LINK, REGION_RECORD, TLB, TRANSLATION } from "../layout.ts";
import { type MmuFunctions, storeBytes } from "../mmu.ts";
import { get, get32, logCall, put, put32 } from "../state.ts";
import { covers, entryInSlot, hostOf, noteExecuted, pageOf, tlbEntry } from "../tlb.ts";

export const REGION_SIGNATURE = { params: ["i32", "i64", "i32"], result: "i64" } as const;

/** Results that are no address: addresses of instructions are even. */
export const RegionResult = { left: 1, refused: 3 } as const;

/** Why a region was left on the way. */
export const RegionStatus = {
  /** Deliver the recorded exception at pc. */
  trap: 1,
  /** Look at interrupts and requests, then go on at pc. */
  relook: 2,
  /** The same, but the instruction at pc is to be interpreted. */
  retreat: 3,
} as const;

/**
 * Where in a region an instruction is, packed for the slow paths of memory accesses: bits 31..10 its
 * place in half-words from the entry's page (signed), bit 9 whether it is four bytes long, bits 8..0
 * the instructions of its block up to and with it. Functions that are called may be a MiB away.
 */
export const ExitInfo = {
  pack: (at: number, length: number, charge: number): number =>
    ((at >> 1) << 10) | (length === 4 ? 1 << 9 : 0) | charge,
  /** Distance from the entry's page in bytes. */
  place: (info: I32): I64 => i64.extend_i32_s(i32.shl(i32.shr_s(info, 10), 1)),
  placeIn: (info: number): number => (info >> 10) << 1,
  charge: (info: I32): I32 => i32.and(info, 0x1ff),
  /** The same for the instruction that follows. */
  next: (info: I32): I32 => i32.add(info, i32.shl(i32.add(i32.and(i32.shr_u(info, 9), 1), 1), 10)),
  /** Places beyond this do not fit. */
  maxDistance: 1 << 22,
  maxCharge: 0x1ff,
} as const;

/**
 * Calls of regions inside each other. Each takes up to some KiB of the engine's stack, of which a
 * Worker has no more than about 1 MiB.
 */
export const MAX_CALL_DEPTH = 128;

/** Address of the row that the op of a decoded entry stands for. */
const rowOf = (op: I32): I32 =>
  i32.add(i32.mul(i32.sub(op, TRANSLATION.firstOp), TRANSLATION.rowBytes), TRANSLATION.base);

/** Calls the region that a row or a link leads to; `page` is the address of the entry's page. */
export const enter = (row: I32, page: I64, depth: I32): I64 =>
  callIndirect(
    REGION_SIGNATURE,
    i32.load16_u(row),
    i32.load16_u(row, 2),
    i64.sub(page, i64.load32_s(row, 4)),
    depth,
  );

/** Calls the region that a link leads to if the call before went to the same address. */
export const enterAgain = (link: number, target: I64, depth: I32): I64 =>
  i64.if(
    i64.eq(i64.load(link, LINK.target), target),
    enter(i32.const(link), pageOf(target), depth),
    RegionResult.refused,
    true,
  );

/** Calls the region that the op of a decoded entry stands for. */
function enterByOp(op: I32, page: I64, depth: I32): I64 {
  const row = i32.local();
  return i64.seq([set(row, rowOf(op))], enter(row, page, depth));
}

export interface RegionRuntime {
  /**
   * (target, expected, depth, link): runs from `target` on until it comes to `expected`, and returns that;
   * or `LEFT`. At the greatest depth it returns the address of what it must not call. A link is made to
   * lead where the first region is entered.
   */
  readonly dispatch: Func<"i64">;
  /**
   * (result, target, expected, depth, link): goes on after a call that has not come back to where it
   * should. What refused to start has its link made, which may have led nowhere, or elsewhere.
   */
  readonly resume: Func<"i64">;
  /** (record, pageBase): whether a region may run under the present mapping. */
  readonly validate: Func<"i32">;
  /** (budget): the budget to go on with, or 0 or less to leave. */
  readonly poll: Func<"i32">;
  /** (va, size, info): host address to load from, or 0 if the region has to be left. */
  readonly regionLoad: Func<"i32">;
  /** (va, size, value, info): nonzero if the region has to be left. */
  readonly regionStore: Func<"i32">;
}

export function defineRuntime(
  module: ModuleBuilder,
  host: HostFunctions,
  mmu: MmuFunctions,
  interpret: () => Func<"i64">,
): RegionRuntime {
  // Link cells lead here until the callee is known.
  module.define(
    "unlinked",
    REGION_SIGNATURE.params,
    REGION_SIGNATURE.result,
    () => [ret(i64.const(RegionResult.refused))],
    { export: true },
  );
  module.define("retreated", ["i32"], undefined, (record) => [callVoid(host.retreated, record)], {
    export: true,
  });
  const dispatch = defineDispatch(module, interpret);
  return {
    dispatch,
    resume: defineResume(module, dispatch),
    validate: defineValidate(module, host, mmu),
    poll: definePoll(module, host),
    ...defineSlowAccess(module, mmu),
  };
}

/** Sets `op` to that of the decoded entry at `target`; or to 0 if the TLB does not know its page. */
function lookUp(target: I64, op: Local<"i32">): Stmt[] {
  const tlb = i32.local();
  return [
    set(tlb, tlbEntry(get32("fetchTlb"), target)),
    when(
      i64.eq(i64.load(tlb), pageOf(target)),
      [set(op, i32.load16_u(entryInSlot(i32.load(tlb, 8), target), ENTRY.op))],
      [set(op, 0)],
    ),
  ];
}

/**
 * Translated code and the interpreter take turns here, inside of whatever region has called: so that
 * its return finds the caller where it was, the engine's stack is left alone as long as can be.
 */
function defineDispatch(module: ModuleBuilder, interpret: () => Func<"i64">): Func<"i64"> {
  return module.define(
    "dispatch",
    ["i64", "i64", "i32", "i32"],
    "i64",
    (result, expected, depth, link) => {
      const [op, target, mapping] = [i32.local(), i64.local(), i64.local()];
      const [fpIllegal, hasChanged] = [i32.local(), i32.local()];
      const [next, interpreted] = [label("next"), label("interpreted")];
      return [
        set(mapping, get("generation")),
        set(fpIllegal, get32("fpIllegal")),
        loop(next, [
          when(i64.eq(result, expected), [ret(result)]),
          block(interpreted, [
            whenUnlikely(i32.and(i32.wrap_i64(result), 1), [
              when(i64.eq(result, RegionResult.left), [
                br(interpreted, i32.eq(get32("regionStatus"), RegionStatus.retreat)),
                ret(result),
              ]),
              // Refused. Too deep inside of others: they are left, one after the other.
              when(i32.ge_u(depth, MAX_CALL_DEPTH), [ret(target)]),
              put("pc", target),
              br(interpreted),
            ]),
            set(target, result),
            ...lookUp(target, op),
            when(i32.ge_u(op, TRANSLATION.firstOp), [
              when(link, [
                i64.store(link, i64.load(rowOf(op))),
                i64.store(link, target, LINK.target),
                set(link, 0),
              ]),
              set(result, enterByOp(op, pageOf(target), depth)),
              br(next),
            ]),
            put("pc", target),
          ]),
          // What is entered later is not what the link stands for.
          set(link, 0),
          set(result, call(interpret())),
          // Callers may go on only under the mapping and with the floating-point state that they were
          // checked under, and with code that nothing was stored to: dropping a region asks for attention.
          set(
            hasChanged,
            i32.or(i64.ne(get("generation"), mapping), i32.ne(get32("fpIllegal"), fpIllegal)),
          ),
          whenUnlikely(i32.or(hasChanged, get32("attention")), [
            when(i64.ne(result, RegionResult.left), [put32("regionStatus", RegionStatus.relook)]),
            ret(i64.const(RegionResult.left)),
          ]),
          br(next),
        ]),
      ];
    },
    { export: true },
  );
}

function defineResume(module: ModuleBuilder, dispatch: Func<"i64">): Func<"i64"> {
  return module.define(
    "resume",
    ["i64", "i64", "i64", "i32", "i32"],
    "i64",
    (result, target, expected, depth, link) => [
      when(
        i64.eq(result, RegionResult.refused),
        [set(result, target), logCall(target)],
        [set(link, 0)],
      ),
      ret(call(dispatch, result, expected, depth, link)),
    ],
    { export: true },
  );
}

function defineValidate(
  module: ModuleBuilder,
  host: HostFunctions,
  mmu: MmuFunctions,
): Func<"i32"> {
  return module.define(
    "validate",
    ["i32", "i64"],
    "i32",
    (record, pageBase) => {
      const [page, end, tlb, slot] = [i32.local(), i32.local(), i32.local(), i32.local()];
      const va = i64.local();
      const next = label("next");
      const refuse = [ret(i32.const(0))];
      return [
        when(i32.ne(i32.load(record, REGION_RECORD.dataTlb), get32("dataTlb")), refuse),
        whenUnlikely(get32("breakpoints"), [
          when(call(host.dropsRegion, record, pageBase), refuse),
        ]),
        set(page, record),
        set(
          end,
          i32.add(
            record,
            i32.mul(i32.load(record, REGION_RECORD.pageCount), REGION_RECORD.pageBytes),
          ),
        ),
        loop(next, [
          set(va, i64.add(pageBase, i64.shl(i64.load32_s(page, REGION_RECORD.pages), 12))),
          set(tlb, tlbEntry(get32("fetchTlb"), va)),
          when(
            i64.eq(i64.load(tlb), va),
            [set(slot, i32.load(tlb, 8))],
            [set(slot, call(mmu.probe, va))],
          ),
          when(i32.ne(slot, i32.load(page, REGION_RECORD.pages + 4)), refuse),
          noteExecuted(va),
          set(page, i32.add(page, REGION_RECORD.pageBytes)),
          br(next, i32.lt_u(page, end)),
        ]),
        i64.store(record, get("generation"), REGION_RECORD.generation),
        i64.store(record, pageBase, REGION_RECORD.pageBase),
        ret(i32.const(1)),
      ];
    },
    { export: true },
  );
}

function definePoll(module: ModuleBuilder, host: HostFunctions): Func<"i32"> {
  return module.define(
    "poll",
    ["i32"],
    "i32",
    (budget) => {
      const more = i32.local();
      const leave = [ret(budget)];
      return [
        when(get32("attention"), leave),
        set(more, call(host.poll)),
        put("instretAnchor", i64.add(get("instretAnchor"), i64.extend_i32_s(more))),
        set(budget, i32.add(budget, more)),
        // The host may have raised an interrupt: what it gave is for the time after that.
        when(get32("attention"), [
          put32("budgetHeld", i32.add(get32("budgetHeld"), more)),
          put("instretAnchor", i64.sub(get("instretAnchor"), i64.extend_i32_s(more))),
          set(budget, i32.sub(budget, more)),
        ]),
        ret(budget),
      ];
    },
    { export: true },
  );
}

function defineSlowAccess(
  module: ModuleBuilder,
  mmu: MmuFunctions,
): Pick<RegionRuntime, "regionLoad" | "regionStore"> {
  const leave = (info: I32, status: number) => [
    put32("regionExit", info),
    put32("regionStatus", status),
  ];
  const regionLoad = module.define(
    "region_load",
    ["i64", "i32", "i32"],
    "i32",
    (va, size, info) => {
      const address = i32.local();
      return [
        // Accesses that are not aligned, or that a window did not cover.
        ...bind(tlbEntry(get32("dataTlb"), va), (entry) => [
          when(covers(entry, va, size, TLB.read), [ret(hostOf(entry, va, TLB.read))]),
        ]),
        set(address, call(mmu.loadSlow, va, size)),
        when(i32.eqz(address), leave(info, RegionStatus.trap)),
        ret(address),
      ];
    },
    { export: true },
  );
  const regionStore = module.define(
    "region_store",
    ["i64", "i32", "i64", "i32"],
    "i32",
    (va, size, value, info) => [
      ...bind(tlbEntry(get32("dataTlb"), va), (entry) => [
        when(covers(entry, va, size, TLB.write), [
          ...storeBytes(hostOf(entry, va, TLB.write), size, value),
          ret(i32.const(0)),
        ]),
      ]),
      when(i32.eqz(call(mmu.storeSlow, va, size, value)), [
        ...leave(info, RegionStatus.trap),
        ret(i32.const(1)),
      ]),
      // The store may have changed this very code: nothing after it may run.
      when(get32("attention"), [
        ...leave(ExitInfo.next(info), RegionStatus.relook),
        ret(i32.const(1)),
      ]),
      ret(i32.const(0)),
    ],
    { export: true },
  );
  return { regionLoad, regionStore };
}

/** Address of a region's record. */
export const recordOf = (index: number): number => REGION_RECORD.base + index * REGION_RECORD.bytes;

/** Address of a link. */
export const linkOf = (index: number): number => LINK.base + index * LINK.bytes;
