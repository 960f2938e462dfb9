/**
 * One check for all accesses off the same base register.
 *
 * Where several loads and stores use one base register and it does not change between them, the TLB
 * is asked once, at the first of them, whether all their bytes lie in one page of RAM. If so the
 * *window*, a local, holds the host address of the lowest byte, and the accesses go through it without
 * any check. It is closed when the register is written, and after calls.
 *
 * Where a window cannot be opened the region *retreats*: it is left just before the access, for the
 * interpreter to go on. So do single accesses that the TLB does not know. A call of the MMU in their
 * place would have the engine save and restore all registers around it.
 *
 * A region that retreats often is translated anew: where an object lies across two pages its accesses
 * then ask one by one; and if all of the time goes into retreats, without windows and with such calls.
 */
import { accessOf } from "../../isa/flow.ts";
import type { Row } from "../../isa/row.ts";
import { i32, type Local } from "../../wasm/expr.ts";
import { BYTES } from "../hart-target.ts";
import type { Block, Instruction, Region } from "./discover.ts";
import { isCall } from "./liveness.ts";
import { fieldsOf } from "./registers.ts";

/** Bytes that a window may span: the wider, the more often it would not fit into one page. */
const MAX_SPAN = 512;

/** The accesses off one register for which one check is made. */
export interface Window {
  readonly base: number;
  /** Displacement from the register to the lowest byte, and bytes from there to the end. */
  readonly low: number;
  readonly span: number;
  /** Host address of the lowest byte for loads and for stores, or of both; 0: closed. */
  readonly read: Local<"i32">;
  readonly write: Local<"i32">;
}

/** How an instruction uses a window. */
export interface WindowUse {
  readonly window: Window;
  /** What is tried before the access: to open it for stores too, even if it may be open already. */
  readonly open: { readonly forStores: boolean; readonly mayBeOpen: boolean } | undefined;
}

export interface Windows {
  /** By instruction. */
  readonly uses: ReadonlyMap<Instruction, WindowUse>;
  /** By block, the windows that may be open at its start and outlive it: writes to bases close them. */
  readonly shared: readonly Window[];
}

interface Access {
  readonly instruction: Instruction;
  readonly base: number;
  readonly low: number;
  readonly high: number;
  readonly isStore: boolean;
}

/** Accesses of a block off one register between two writes to it. */
interface Group {
  readonly block: number;
  readonly base: number;
  readonly accesses: Access[];
  /** Nothing writes the register before the group, or after it, in its block. */
  readonly fromStart: boolean;
  toEnd: boolean;
}

export const NO_WINDOWS: Windows = { uses: new Map(), shared: [] };

/** `narrow` are places of accesses at which a window often did not fit into a page. */
export function planWindows(
  { blocks }: Region,
  successors: readonly (readonly number[])[],
  narrow: ReadonlySet<number>,
): Windows {
  const groups = blocks.flatMap((block, k) => groupsOf(block, k));
  const isNarrow = ({ accesses }: Group): boolean => narrow.has(accesses[0].instruction.at);
  const narrowBases = new Set(groups.filter(isNarrow).map(({ base }) => base));
  const shared = sharedWindows(groups.filter(({ base }) => !narrowBases.has(base)));
  const openAtStart = solveOpen(blocks, groups, successors, shared);
  const uses = new Map<Instruction, WindowUse>();
  for (const group of groups) {
    const window = shared.get(group.base) ?? ownWindow(group);
    if (window === undefined || isNarrow(group)) continue;
    const isShared = shared.has(group.base);
    const mayBeOpen = isShared && group.fromStart && (openAtStart[group.block] & bit(group)) !== 0;
    // A lone access with nothing to share is as cheap by itself.
    if (group.accesses.length === 1 && !mayBeOpen && !(isShared && group.toEnd)) continue;
    const forStores = group.accesses.some(({ isStore }) => isStore);
    for (const [k, { instruction }] of group.accesses.entries()) {
      uses.set(instruction, { window, open: k === 0 ? { forStores, mayBeOpen } : undefined });
    }
  }
  return { uses, shared: [...shared.values()] };
}

const bit = ({ base }: { readonly base: number }): number => 1 << base;

function accessBy(instruction: Instruction): Access | undefined {
  const { row, decoded } = instruction;
  const access = accessOf(row as Row);
  if (access === undefined || decoded.rs1 === 0) return undefined;
  return {
    instruction,
    base: decoded.rs1,
    low: decoded.imm,
    high: decoded.imm + BYTES[access.width],
    isStore: access.isStore,
  };
}

function groupsOf({ instructions }: Block, block: number): Group[] {
  const all: Group[] = [];
  const open = new Map<number, Group>();
  let written = 0;
  for (const instruction of instructions) {
    const access = accessBy(instruction);
    if (access !== undefined) {
      const { base } = access;
      const group = open.get(base);
      if (group === undefined) {
        const fromStart = (written & (1 << base)) === 0;
        const made: Group = { block, base, accesses: [access], fromStart, toEnd: true };
        open.set(base, made);
        all.push(made);
      } else {
        group.accesses.push(access);
      }
    }
    const writes = fieldsOf(instruction.row).writes(instruction.decoded).x;
    written |= writes;
    for (const [base, group] of open) {
      if ((writes & (1 << base)) === 0) continue;
      group.toEnd = false;
      open.delete(base);
    }
  }
  return all;
}

function windowOf(base: number, accesses: readonly Access[]): Window | undefined {
  const low = Math.min(...accesses.map((access) => access.low));
  const high = Math.max(...accesses.map((access) => access.high));
  if (high - low > MAX_SPAN) return undefined;
  const read = i32.local();
  return { base, low, span: high - low, read, write: read };
}

/** Registers whose accesses all over the region fit one window, and profit from keeping it open. */
function sharedWindows(groups: readonly Group[]): Map<number, Window> {
  const byBase = new Map<number, Group[]>();
  for (const group of groups) {
    const list = byBase.get(group.base) ?? [];
    list.push(group);
    byBase.set(group.base, list);
  }
  const windows = new Map<number, Window>();
  for (const [base, list] of byBase) {
    if (!list.some(({ fromStart }) => fromStart) || !list.some(({ toEnd }) => toEnd)) continue;
    const window = windowOf(
      base,
      list.flatMap(({ accesses }) => accesses),
    );
    // Pages that are only read may be such that stores are refused.
    if (window !== undefined) windows.set(base, { ...window, write: i32.local() });
  }
  return windows;
}

function ownWindow({ base, accesses }: Group): Window | undefined {
  return accesses.length < 2 ? undefined : windowOf(base, accesses);
}

/** For each block, the registers whose shared window may be open at its start. */
function solveOpen(
  blocks: readonly Block[],
  groups: readonly Group[],
  successors: readonly (readonly number[])[],
  shared: ReadonlyMap<number, Window>,
): number[] {
  const opened = blocks.map(() => 0);
  for (const group of groups) {
    if (group.toEnd && shared.has(group.base)) opened[group.block] |= bit(group);
  }
  const closed = blocks.map(({ instructions }) =>
    instructions.reduce((all, i) => all | fieldsOf(i.row).writes(i.decoded).x, 0),
  );
  const openAtStart = blocks.map(() => 0);
  const work = blocks.map((_, k) => k);
  for (let k = work.pop(); k !== undefined; k = work.pop()) {
    // After a call all registers are loaded anew.
    if (isCall(blocks[k])) continue;
    const out = opened[k] | (openAtStart[k] & ~closed[k]);
    for (const next of successors[k]) {
      if ((openAtStart[next] | out) === openAtStart[next]) continue;
      openAtStart[next] |= out;
      work.push(next);
    }
  }
  return openAtStart;
}
