/**
 * Translates a region to a WebAssembly module with one function; `runtime.ts` says how it is called.
 *
 * On the way in, the registers that are live are loaded into locals; on every way out those that may
 * have changed are stored. An exception leaves at the exact instruction: the slow path has recorded
 * it, and the caller delivers it.
 */

import { accessesMemory, accessOf } from "../../isa/flow.ts";
import {
  block,
  br,
  brTable,
  call,
  callVoid,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
  label,
  ret,
  type Stmt,
  set,
  when,
  whenUnlikely,
} from "../../wasm/expr.ts";
import { ModuleBuilder } from "../../wasm/module-builder.ts";
import { accessesFlags, usesFloat } from "../handlers.ts";
import { REGION_RECORD } from "../layout.ts";
import { get, get32, put, put32 } from "../state.ts";
import { CoreImports } from "./core-imports.ts";
import type { Block, Edge, Instruction, Region } from "./discover.ts";
import { computedIn, planConversions } from "./if-conversion.ts";
import { spread } from "./jump-table.ts";
import { analyse, type BlockRegisters, isCall } from "./liveness.ts";
import { type Edges, type RegionContext, RegionTarget } from "./region-target.ts";
import { fieldsOf, NO_REGISTERS, type RegisterSet, Registers, union } from "./registers.ts";
import {
  ExitInfo,
  enter,
  enterAgain,
  MAX_CALL_DEPTH,
  REGION_SIGNATURE,
  RegionResult,
  RegionStatus,
} from "./runtime.ts";
import { structure } from "./structure.ts";
import { NO_WINDOWS, planWindows, type Windows } from "./windows.ts";

/** The linear memory that regions work on. */
export interface MemoryShape {
  /** Pages of 64 KiB. */
  readonly pages: number;
  readonly shared: boolean;
}

/** What a region is compiled against. */
export interface RegionPlace {
  /** Address of its record. */
  readonly record: number;
  /** Address of the TLB tables for data that it goes through. */
  readonly dataTlb: number;
  /** Addresses of fresh links, one for each of the region's calls; those without one look the callee up. */
  readonly links: readonly number[];
  /** Whether retreats from what the TLB does not know have been rare in this code so far. */
  readonly lean: boolean;
  /** Places of accesses that often retreated: a window there did not fit into a page, say. */
  readonly narrow: readonly number[];
}

export function compileRegion(
  region: Region,
  place: RegionPlace,
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
  module.importTable({ module: "host", name: "table", initial: 0 });
  const parameters = { entry: i32.local(), pageBase: i64.local(), depth: i32.local() };
  // Built first: the functions that it turns out to import come before it in the module.
  const body = new Translation(region, place, new CoreImports(module), parameters).body();
  module.define(
    "region",
    REGION_SIGNATURE.params,
    REGION_SIGNATURE.result,
    (entry, pageBase, depth) => [
      set(parameters.entry, entry),
      set(parameters.pageBase, pageBase),
      set(parameters.depth, depth),
      ...body,
    ],
    { export: true },
  );
  return module.encode();
}

interface Parameters {
  readonly entry: Local<"i32">;
  readonly pageBase: Local<"i64">;
  readonly depth: Local<"i32">;
}

/** The ways out of the region with the same registers to store. */
interface WayOut {
  readonly dirty: RegisterSet;
  /** Goes on at `exitPc`. */
  readonly exit: Label;
  /** In the middle of a block, as `regionExit` and `regionStatus` say; undefined if nothing does. */
  leave: Label | undefined;
  /** Before the instruction that `retreatPlace` names. */
  retreat: Label | undefined;
}

class Translation {
  readonly #region: Region;
  readonly #usesFloat: boolean;
  readonly #place: RegionPlace;
  readonly #core: CoreImports;
  readonly #parameters: Parameters;
  readonly #registers: Registers;
  readonly #budget = i32.local();
  readonly #exitPc = i64.local();
  /** Where a computed jump goes, on the way to the block that dispatches. */
  readonly #jumpTarget = i64.local();
  readonly #successors: readonly (readonly number[])[];
  readonly #analysis: readonly BlockRegisters[];
  readonly #conversions: ReadonlyMap<number, number>;
  readonly #windows: Windows;
  readonly #narrow: ReadonlySet<number>;
  /** A bit for each register that a window is shared off. */
  readonly #sharedBases: number;
  readonly #waysOut = new Map<string, WayOut>();
  readonly #isOther = i32.local();
  readonly #context: RegionContext;
  readonly #retreatPlace = i32.local();
  /** Calls that were lowered so far. */
  #calls = 0;

  constructor(region: Region, place: RegionPlace, core: CoreImports, parameters: Parameters) {
    this.#region = region;
    this.#usesFloat = region.blocks.some((b) => b.instructions.some(usesFloatState));
    this.#registers = new Registers(this.#usesFloat);
    this.#place = place;
    this.#core = core;
    this.#parameters = parameters;
    this.#successors = region.blocks.map(successorsOf);
    this.#conversions = planConversions(region, this.#successors);
    this.#analysis = analyse(region, this.#successors, new Set(this.#conversions.values()));
    this.#narrow = new Set(place.narrow);
    this.#windows = place.lean ? planWindows(region, this.#successors, this.#narrow) : NO_WINDOWS;
    this.#sharedBases = this.#windows.shared.reduce((bases, { base }) => bases | (1 << base), 0);
    this.#context = {
      core,
      registers: this.#registers,
      pageBase: parameters.pageBase,
      dataTlb: place.dataTlb,
      lean: place.lean,
      place: this.#retreatPlace,
    };
  }

  body(): Stmt[] {
    const { blocks, entries } = this.#region;
    const { entry } = this.#parameters;
    // After the blocks come the ways in: the first one, and one for all others together.
    const first = blocks.length;
    const rest = first + 1;
    const others = entries.slice(1);
    const code = structure(
      {
        size: blocks.length + 2,
        successors: (node) =>
          node === first ? [entries[0]] : node === rest ? others : this.#flow(node),
        emit: (node, goTo) => {
          if (node === first) {
            return [...this.#registers.load(this.#liveIn([entries[0]])), ...goTo(entries[0])];
          }
          if (node === rest) return this.#otherEntries(others, goTo);
          return this.#block(node, blocks[node], goTo);
        },
        backEdge: (from, target) => this.#backEdge(from, target),
        isOutside: (node) => node === rest,
      },
      others.length === 0 ? [first] : [first, rest],
      this.#isOther,
    );
    return [
      ...this.#mayRun(),
      ...(others.length === 0 ? [] : [set(this.#isOther, i32.ne(entry, 0))]),
      ...this.#withExits(code),
    ];
  }

  /** Where a block's code goes: what is branched over without a branch is part of it. */
  #flow(node: number): readonly number[] {
    const over = this.#conversions.get(node);
    return this.#successors[node].filter((next) => next !== over);
  }

  #liveIn(blocks: readonly number[]): RegisterSet {
    return blocks.reduce((live, k) => union(live, this.#analysis[k].liveIn), NO_REGISTERS);
  }

  #otherEntries(others: readonly number[], goTo: (target: number) => readonly Stmt[]): Stmt[] {
    const { entry } = this.#parameters;
    const last = others.length - 1;
    return [
      ...this.#registers.load(this.#liveIn(others)),
      ...others.slice(0, last).map((block, k) => when(i32.eq(entry, k + 1), goTo(block))),
      ...goTo(others[last]),
    ];
  }

  /** Refuses to run under another mapping, too deep, or with floating point in a state that traps. */
  #mayRun(): Stmt[] {
    const { pageBase, depth } = this.#parameters;
    const { record } = this.#place;
    const refuse = [ret(i64.const(RegionResult.refused))];
    const unchecked = i32.or(
      i64.ne(i64.load(0, record + REGION_RECORD.generation), get("generation")),
      i64.ne(i64.load(0, record + REGION_RECORD.pageBase), pageBase),
    );
    return [
      whenUnlikely(unchecked, [when(i32.eqz(call(this.#core.validate, record, pageBase)), refuse)]),
      whenUnlikely(i32.ge_u(depth, MAX_CALL_DEPTH), refuse),
      ...(this.#usesFloat ? [whenUnlikely(get32("fpIllegal"), refuse)] : []),
      set(this.#budget, get32("budget")),
      whenUnlikely(i32.le_s(this.#budget, 0), [
        set(this.#budget, call(this.#core.poll, this.#budget)),
        put32("budget", this.#budget),
        when(i32.le_s(this.#budget, 0), refuse),
      ]),
    ];
  }

  /** The code, followed by that of the ways out: each is the end of a block around the code. */
  #withExits(code: readonly Stmt[]): Stmt[] {
    const last = label("last");
    let body = code;
    for (const { dirty, exit, leave, retreat } of this.#waysOut.values()) {
      if (retreat !== undefined) {
        body = [
          block(retreat, body),
          put32("regionExit", this.#retreatPlace),
          put32("regionStatus", RegionStatus.retreat),
        ];
      }
      if (leave !== undefined) body = [block(leave, body)];
      if (leave !== undefined || retreat !== undefined) {
        body = [...body, set(this.#exitPc, RegionResult.left)];
      }
      body = [block(exit, body), ...this.#registers.store(dirty), br(last)];
    }
    return [
      block(last, body),
      whenUnlikely(i64.eq(this.#exitPc, RegionResult.left), this.#leave()),
      put32("budget", this.#budget),
      ret(this.#exitPc),
    ];
  }

  /** Sets pc and the budget for a region that is left in the middle of a block. */
  #leave(): Stmt[] {
    const { record } = this.#place;
    const [info, pc, count] = [i32.local(), i64.local(), i32.local()];
    return [
      set(info, get32("regionExit")),
      set(this.#budget, i32.sub(this.#budget, ExitInfo.charge(info))),
      set(pc, i64.add(this.#parameters.pageBase, ExitInfo.place(info))),
      put("pc", pc),
      when(i32.eq(get32("regionStatus"), RegionStatus.retreat), [
        set(count, i32.add(i32.load(record, REGION_RECORD.retreats), 1)),
        i32.store(record, count, REGION_RECORD.retreats),
        when(i32.eq(count, RETREATS_NOTED), [callVoid(this.#core.retreated, record)]),
      ]),
    ];
  }

  #pc(at: number): I64 {
    return i64.add(this.#parameters.pageBase, at);
  }

  /** Leaves for another place, with what is dirty at the end of a block stored. */
  #exit(node: number, pc: I64, dirty = this.#analysis[node].dirty): Stmt[] {
    return [set(this.#exitPc, pc), br(this.#wayOut(dirty).exit)];
  }

  #wayOut(dirty: RegisterSet): WayOut {
    const key = `${dirty.x}:${dirty.f}`;
    let way = this.#waysOut.get(key);
    if (way === undefined) {
      way = { dirty, exit: label("exit"), leave: undefined, retreat: undefined };
      this.#waysOut.set(key, way);
    }
    return way;
  }

  /** Leaves at the end of a turn of a loop if the budget is used up: whoever enters again asks for more. */
  #backEdge(from: number, target: number): Stmt[] {
    const { blocks } = this.#region;
    const { at, end } = blocks[target];
    // What was dirty before a call has been stored by it, and the callee may have changed it.
    const last = this.#conversions.get(from) ?? from;
    const dirty = isCall(blocks[from]) ? NO_REGISTERS : this.#analysis[last].dirty;
    const pc = end.kind === "dispatch" ? this.#jumpTarget : this.#pc(at);
    return [whenUnlikely(i32.le_s(this.#budget, 0), this.#exit(from, pc, dirty))];
  }

  #block(node: number, code: Block, goTo: (target: number) => readonly Stmt[]): Stmt[] {
    const { instructions, end } = code;
    if (end.kind === "dispatch") return this.#dispatch(node, end.targets, goTo);
    const to = ({ at, block }: Edge): readonly Stmt[] =>
      block === undefined ? this.#exit(node, this.#pc(at)) : goTo(block);
    const transfers = end.kind !== "next";
    const plain = transfers ? instructions.slice(0, -1) : instructions;
    const way = instructions.some(({ row }) => accessesMemory(row))
      ? this.#wayOut(this.#analysis[node].dirty)
      : undefined;
    const lower = (instruction: Instruction, k: number, edges: Partial<Edges>): Stmt[] => {
      const exit = ExitInfo.pack(instruction.at, instruction.decoded.length, k + 1);
      const { row } = instruction;
      const retreatAt = ExitInfo.pack(instruction.at, instruction.decoded.length, k);
      const windowUse = this.#windows.uses.get(instruction);
      const ways =
        way === undefined
          ? UNUSED
          : labelsFor(way, this.#place.lean && accessOf(row) !== undefined);
      const all = {
        ...ways,
        exit,
        retreatAt,
        windowUse,
        isNarrow: this.#narrow.has(instruction.at),
        taken: [],
        computed: () => [],
        skip: undefined,
        ...edges,
      };
      const code = row.semantics(new RegionTarget(this.#context, instruction, all));
      const written = fieldsOf(row).writes(instruction.decoded).x;
      return [...code, ...this.#closeWindows(written)];
    };
    const charge = set(this.#budget, i32.sub(this.#budget, instructions.length));
    const over = this.#conversions.get(node);
    if (over !== undefined && end.kind === "branch") {
      const skip = i32.local();
      const skipped = this.#region.blocks[over];
      const all = instructions.length + skipped.instructions.length;
      return [
        ...plain.flatMap((instruction, k) => lower(instruction, k, {})),
        ...[...instructions.slice(-1), ...computedIn(skipped)].flatMap((instruction) =>
          lower(instruction, 0, { skip }),
        ),
        set(this.#budget, i32.sub(this.#budget, i32.select(skip, instructions.length, all))),
        ...to(end.target),
      ];
    }
    return [
      ...plain.flatMap((instruction, k) => lower(instruction, k, {})),
      ...(instructions.length === 0 ? [] : [charge]),
      ...(transfers
        ? lower(instructions[instructions.length - 1], instructions.length - 1, {
            taken: this.#taken(node, code, to),
            computed: (target) => this.#computed(node, code, target, to),
          })
        : []),
      ...(end.kind === "next" || end.kind === "branch" ? to(end.next) : []),
    ];
  }

  /** A window holds for one value of its base register: closes those of the registers in a set. */
  #closeWindows(written: number): Stmt[] {
    const closing: Stmt[] = [];
    if ((written & this.#sharedBases) === 0) return closing;
    for (const { base, read, write } of this.#windows.shared) {
      if (((written >>> base) & 1) !== 0) closing.push(set(read, 0), set(write, 0));
    }
    return closing;
  }

  #taken(node: number, { end }: Block, to: (edge: Edge) => readonly Stmt[]): readonly Stmt[] {
    if (end.kind === "branch" || end.kind === "jump") return to(end.target);
    if (end.kind !== "call") return [];
    return this.#call(node, this.#pc(end.target), end.next, to, end);
  }

  #computed(
    node: number,
    { end }: Block,
    target: I64,
    to: (edge: Edge) => readonly Stmt[],
  ): readonly Stmt[] {
    if (end.kind !== "computed") return end.kind === "jump" ? to(end.target) : [];
    if (end.next !== undefined) return this.#call(node, target, end.next, to);
    if (end.dispatch === undefined) return this.#exit(node, target);
    return [set(this.#jumpTarget, target), ...to({ at: 0, block: end.dispatch })];
  }

  /**
   * Goes to the block of a computed address. The addresses are spread over a table by some of their
   * bits; what shares a place in it is told apart one by one.
   */
  #dispatch(
    node: number,
    targets: readonly Edge[],
    goTo: (target: number) => readonly Stmt[],
  ): Stmt[] {
    const { pageBase } = this.#parameters;
    const distance = i64.local();
    const { shift, buckets } = spread(targets);
    const chain = (bucket: readonly Edge[]): Stmt[] =>
      bucket.flatMap(({ at, block }) =>
        block === undefined ? [] : [when(i64.eq(distance, at), goTo(block))],
      );
    const elsewhere = this.#exit(node, this.#jumpTarget);
    const start = set(distance, i64.sub(this.#jumpTarget, pageBase));
    if (buckets.length === 1) return [start, ...chain(buckets[0]), ...elsewhere];
    const labels = buckets.map(() => label("bucket"));
    const index = i32.and(i32.shr_u(i32.wrap_i64(distance), shift), buckets.length - 1);
    let code: readonly Stmt[] = [start, brTable(index, labels, labels[0])];
    for (const [k, bucket] of buckets.entries()) {
      code = [block(labels[k], code), ...chain(bucket), ...elsewhere];
    }
    return [...code];
  }

  /** A guest call as a call: if the callee is translated and comes back, the region goes on. */
  #call(
    node: number,
    target: I64,
    next: Edge,
    to: (edge: Edge) => readonly Stmt[],
    direct?: { readonly target: number },
  ): Stmt[] {
    const { pageBase, depth } = this.#parameters;
    const result = i64.local();
    const link = this.#place.links[this.#calls++] ?? 0;
    const deeper = i32.add(depth, 1);
    const expected = this.#pc(next.at);
    const resume = (from: I64): I64 =>
      call(this.#core.resume, from, target, expected, deeper, link);
    const first =
      link === 0
        ? resume(i64.const(RegionResult.refused))
        : direct === undefined
          ? enterAgain(link, target, deeper)
          : enter(i32.const(link), i64.add(pageBase, direct.target & ~0xfff), deeper);
    return [
      ...this.#registers.store(this.#analysis[node].dirty),
      put32("budget", this.#budget),
      set(result, first),
      whenUnlikely(i64.ne(result, expected), [
        ...(link === 0 ? [] : [set(result, resume(result))]),
        when(i64.ne(result, expected), [ret(result)]),
      ]),
      set(this.#budget, get32("budget")),
      ...this.#closeWindows(-1),
      ...(next.block === undefined
        ? [ret(expected)]
        : this.#registers.load(this.#liveIn([next.block]))),
      ...(next.block === undefined ? [] : to(next)),
    ];
  }
}

/** One in so many retreats of a region is noted. */
export const RETREATS_NOTED = 64;

const usesFloatState = ({ row, decoded }: Instruction): boolean =>
  usesFloat(row) || accessesFlags(row, decoded);

/** For instructions that cannot leave the region. */
const UNUSED = { leave: label("unused"), retreat: label("unused") };

/** Makes the ways out that an access to memory needs: plain ones in lean regions only retreat. */
function labelsFor(way: WayOut, retreats: boolean): { leave: Label; retreat: Label } {
  way.retreat ??= label("retreat");
  if (!retreats) way.leave ??= label("leave");
  return { leave: way.leave ?? way.retreat, retreat: way.retreat };
}

function successorsOf({ end }: Block): number[] {
  if (end.kind === "dispatch") return end.targets.flatMap(({ block }) => block ?? []);
  if (end.kind === "computed" && end.dispatch !== undefined) return [end.dispatch];
  const edges: (Edge | undefined)[] = [];
  if (end.kind === "branch" || end.kind === "jump") edges.push(end.target);
  if (end.kind !== "jump") edges.push(end.next);
  return edges.flatMap((edge) => edge?.block ?? []);
}
