/**
 * Which handlers the interpreter has: rows of the instruction table, told apart where a handler can
 * be simpler for it. The decoder stores a handler's number in each decoded entry.
 */

import type { Decoded } from "../isa/decoder.ts";
import { flowOf } from "../isa/flow.ts";
import type { Row } from "../isa/row.ts";
import { COMPRESSED_ROWS, expansionOf, hasField, ROWS } from "../isa/table.ts";
import { PAIRS } from "./pairs.ts";

/** Numbers of the handlers that stand for no instruction. */
export const SpecialOp = {
  /** Not decoded yet: the value of cleared memory. */
  decode: 0,
  /** The end mark of a slot: go on at the next page. */
  pageEnd: 1,
  /** A four-byte instruction in the last half-word of a page. */
  straddle: 2,
  illegal: 3,
  /** There may be a breakpoint: if not, the handler in `ENTRY.replaced` is the instruction's. */
  breakpoint: 4,
} as const;

/** Ops of fused pairs (see `fusion.ts`), and then of single instructions. */
export const FIRST_FUSED_OP = 5;
export const FIRST_ROW_OP: number = FIRST_FUSED_OP + PAIRS.length;

export interface Handler {
  readonly row: Row;
  /** Bytes to the next instruction. */
  readonly length: 2 | 4;
  /** The target of a branch is in the same slot, so that the immediate is a distance in entries. */
  readonly near: boolean;
}

const isRelative = (row: Row): boolean => flowOf(row) === "branch" || flowOf(row) === "jump";

/** All handlers, in the order of their numbers. */
export function handlers(): readonly Handler[] {
  const hasCompressedForm = new Set(COMPRESSED_ROWS.map((row) => expansionOf(row).base));
  return ROWS.flatMap((row) => {
    const lengths: (2 | 4)[] = hasCompressedForm.has(row) ? [4, 2] : [4];
    const reaches = isRelative(row) ? [false, true] : [false];
    return lengths.flatMap((length) => reaches.map((near) => ({ row, length, near })));
  });
}

/** What the decoder needs to know of a row, looked up once for each decoded instruction. */
export interface RowOps {
  readonly relative: boolean;
  readonly floatDestination: boolean;
  readonly floatSource1: boolean;
  readonly floatSource2: boolean;
  readonly zimm: boolean;
  /** Handler numbers for a length of 2 and 4, far and near. */
  readonly far: readonly [number, number];
  readonly near: readonly [number, number];
}

function rowOpsOf(row: Row, numbers: ReadonlyMap<string, number>): RowOps {
  const op = (length: 2 | 4, near: boolean): number => numbers.get(`${length}${near}`) ?? 0;
  return {
    relative: numbers.has("4true"),
    floatDestination: hasField(row, "fd"),
    floatSource1: hasField(row, "fs1"),
    floatSource2: hasField(row, "fs2"),
    zimm: hasField(row, "zimm"),
    far: [op(2, false), op(4, false)],
    near: [op(2, true), op(4, true)],
  };
}

/** Those of all rows. */
export function rowOps(): ReadonlyMap<Row, RowOps> {
  const numbers = new Map(ROWS.map((row) => [row, new Map<string, number>()]));
  for (const [k, { row, length, near }] of handlers().entries()) {
    numbers.get(row)?.set(`${length}${near}`, FIRST_ROW_OP + k);
  }
  return new Map([...numbers].map(([row, ofRow]) => [row, rowOpsOf(row, ofRow)]));
}

/**
 * Whether a row's handler is part of the main loop. The rest are functions of their own, which
 * keeps the loop small enough for the engine to optimise soon after start-up.
 */
export function isInline(row: Row): boolean {
  const isMove = /^f[ls][wd]$/.test(row.name);
  return !needsHart(row) && (row.extension === "i" || row.extension === "m" || isMove);
}

/** Whether a handler works on the hart's own state, and so needs pc and the budget stored first. */
export const needsHart = (row: Row): boolean => flowOf(row) === "hart";

export const usesFloat = (row: Row): boolean => row.extension === "f" || row.extension === "d";

/** CSR number of the accrued floating-point exceptions. */
export const FFLAGS = 0x001;

/** Whether it reads or writes fflags, as functions of the C library do: all other CSRs are the hart's. */
export const accessesFlags = (row: Row, { imm }: Decoded): boolean =>
  row.extension === "zicsr" && imm === FFLAGS;
