/**
 * A function for each op, which executes one instruction whatever it takes. The main loop leaves for
 * these where it would have to call something.
 */
import type { Row } from "../isa/row.ts";
import { hasField } from "../isa/table.ts";
import {
  call,
  callIn,
  callVoid,
  type FuncTable,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  ret,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { type CoreFunctions, EntryTarget, illegalInstruction } from "./entry-target.ts";
import { fusedPairs } from "./fusion.ts";
import { FIRST_ROW_OP, type Handler, handlers, SpecialOp, usesFloat } from "./handlers.ts";
import { ENTRY } from "./layout.ts";
import { DEBUG_FLAG, get, get32, put, put32, recordFault, setBudgetAside } from "./state.ts";

/** What an operation returns; the state's pc is right then. */
export const Status = {
  /** Go on at pc. */
  next: 0,
  /** Raise the recorded exception at pc. */
  trap: 1,
  /** Look at interrupts and requests, then go on at pc. */
  relook: 2,
} as const;

/** (address of the entry, codeBase) to a `Status`. */
export const OPERATION = { params: ["i32", "i64"], result: "i32" } as const;

/** The operations by op. Pc and the budget are in the state while they run. */
export function defineOperations(module: ModuleBuilder, core: CoreFunctions): FuncTable {
  const define = (name: string, body: (place: Place) => readonly Stmt[]) =>
    module.define(`op_${name}`, OPERATION.params, OPERATION.result, (entry, codeBase) =>
      body({ entry, codeBase }),
    );
  const special = Object.keys(SpecialOp) as (keyof typeof SpecialOp)[];
  const single = handlers().map((handler) =>
    define(handler.row.name, (place) => operation(core, place, handler)),
  );
  const table: FuncTable = module.defineTable([
    ...special.map((name) => define(name, (place) => specialOperation(name, core, table, place))),
    // A pair's is that of its first instruction.
    ...fusedPairs().map(({ firstOp }) => single[firstOp - FIRST_ROW_OP]),
    ...single,
  ]);
  return table;
}

/** Where execution is. */
export interface Place {
  /** Address of the current entry. */
  readonly entry: Local<"i32">;
  readonly codeBase: Local<"i64">;
}

export const pcOf = (p: Place): I64 => i64.add(p.codeBase, i64.extend_i32_u(i32.shr_u(p.entry, 3)));

const status = (code: number): Stmt[] => [ret(i32.const(code))];

/** Gives back the unit of budget of a dispatch that executed no instruction. */
const refund = (): Stmt => put32("budget", i32.add(get32("budget"), 1));

function specialOperation(
  name: keyof typeof SpecialOp,
  core: CoreFunctions,
  table: FuncTable,
  { entry, codeBase }: Place,
): Stmt[] {
  const execute = (op: I32): Stmt[] => [ret(callIn(table, OPERATION, op, entry, codeBase))];
  switch (name) {
    case "decode":
      return [callVoid(core.decoder.decode, entry), refund(), ...status(Status.next)];
    case "pageEnd":
      return [refund(), ...status(Status.next)];
    case "straddle":
      return [
        set(entry, call(core.mmu.fetchSingle, get("pc"))),
        when(i32.eqz(entry), status(Status.trap)),
        set(codeBase, get("codeBase")),
        ...execute(i32.load16_u(entry, ENTRY.op)),
      ];
    case "illegal":
      return [...illegalInstruction(core, entry), ...status(Status.trap)];
    case "breakpoint":
      return [
        when(call(core.host.stopsAt, get("pc")), [
          ...recordFault(DEBUG_FLAG, i64.const(0)),
          ...status(Status.trap),
        ]),
        ...execute(i32.load16_u(entry, ENTRY.replaced)),
      ];
  }
}

function operation(
  core: CoreFunctions,
  { entry, codeBase }: Place,
  { row, length, near }: Handler,
): Stmt[] {
  const immediate = distanceOf(entry, near);
  const budget = i32.local();
  const target = new EntryTarget(core, entry, codeBase, length, {
    trap: status(Status.trap),
    attend: [set(budget, get32("budget")), ...setBudgetAside(budget), put32("budget", budget)],
    steer: status(Status.relook),
    distance: immediate,
    relative: [put("pc", i64.add(get("pc"), immediate)), ...status(Status.next)],
    absolute: (address) => [put("pc", address), ...status(Status.next)],
  });
  return [
    ...floatGuard(row, core, entry, status(Status.trap)),
    ...row.semantics(target),
    put("pc", i64.add(get("pc"), length)),
    ...status(Status.next),
  ];
}

/** From a branch to its target, in bytes. A near handler's immediate counts entries of 16 bytes for two of code. */
export function distanceOf(entry: I32, near: boolean): I64 {
  const immediate = i32.load(entry, ENTRY.imm);
  return i64.extend_i32_s(near ? i32.shr_s(immediate, 3) : immediate);
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
