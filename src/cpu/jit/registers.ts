/** Guest registers in translated code: sets of them, what instructions use, and their locals. */

import type { Decoded } from "../../isa/decoder.ts";
import { writesResult } from "../../isa/flow.ts";
import { doubleOf } from "../../isa/nan-boxing.ts";
import type { Row } from "../../isa/row.ts";
import { f64, type I64, i32, i64, type Local, type Stmt, set, when } from "../../wasm/expr.ts";
import { F_BASE, X_BASE } from "../layout.ts";
import { markFloatDirty } from "../state.ts";

/** A set of registers: a bit for each of the integer file and of the floating-point file. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NO_REGISTERS: RegisterSet = { x: 0, f: 0 };

export const union = (a: RegisterSet, b: RegisterSet): RegisterSet => ({
  x: a.x | b.x,
  f: a.f | b.f,
});

export const without = (a: RegisterSet, b: RegisterSet): RegisterSet => ({
  x: a.x & ~b.x,
  f: a.f & ~b.f,
});

export const sameSet = (a: RegisterSet, b: RegisterSet): boolean => a.x === b.x && a.f === b.f;

type Slot = "rd" | "rs1" | "rs2" | "rs3";

/** Which operands of a row are registers that it reads or writes. */
class RowRegisters {
  readonly #reads: { readonly file: "x" | "f"; readonly slot: Slot }[] = [];
  readonly #writes: { readonly file: "x" | "f"; readonly slot: Slot }[] = [];

  constructor(row: Row) {
    for (const { name } of row.pattern.fields) {
      const [, file, slot] = /^([rf])(d|s[123])$/.exec(name) ?? [];
      if (file === undefined) continue;
      const operand = { file: file === "f" ? "f" : "x", slot: `r${slot}` as Slot } as const;
      if (slot !== "d") this.#reads.push(operand);
      else if (writesResult(row)) this.#writes.push(operand);
    }
  }

  reads(decoded: Decoded): RegisterSet {
    return collect(this.#reads, decoded);
  }

  writes(decoded: Decoded): RegisterSet {
    return collect(this.#writes, decoded);
  }
}

function collect(
  operands: readonly { readonly file: "x" | "f"; readonly slot: Slot }[],
  decoded: Decoded,
): RegisterSet {
  let x = 0;
  let f = 0;
  for (const { file, slot } of operands) {
    const bit = 1 << decoded[slot];
    if (file === "x") x |= bit;
    else f |= bit;
  }
  // x0 is no register.
  return { x: x & ~1, f };
}

const BY_ROW = new Map<Row, RowRegisters>();

export function fieldsOf(row: Row): RowRegisters {
  let fields = BY_ROW.get(row);
  if (fields === undefined) {
    fields = new RowRegisters(row);
    BY_ROW.set(row, fields);
  }
  return fields;
}

/** The locals of a region. Floating-point registers are f64, whose bits WebAssembly keeps as they are. */
export class Registers {
  readonly #x = new Map<number, Local<"i64">>();
  readonly #f = new Map<number, Local<"f64">>();
  /** Nonzero once floating-point state has been written since the region was entered. */
  readonly #floatDirty: Local<"i32"> | undefined;

  constructor(usesFloat: boolean) {
    this.#floatDirty = usesFloat ? i32.local() : undefined;
  }

  readX(index: number): I64 {
    return index === 0 ? i64.const(0) : this.#localX(index);
  }

  writeX(index: number, value: I64): Stmt {
    return set(this.#localX(index), value);
  }

  readF(index: number): I64 {
    return i64.reinterpret_f64(this.#localF(index));
  }

  writeF(index: number, value: I64): Stmt {
    return set(this.#localF(index), doubleOf(value));
  }

  /** Has FS marked dirty by the next `store`: nothing before it can look. */
  markFloatDirty(): Stmt {
    if (this.#floatDirty === undefined) throw new Error("floating point in a region without");
    return set(this.#floatDirty, 1);
  }

  /** Takes registers from the hart's state. */
  load(registers: RegisterSet): Stmt[] {
    return [
      ...indices(registers.x).map((index) =>
        set(this.#localX(index), i64.load(0, X_BASE + index * 8)),
      ),
      ...indices(registers.f).map((index) =>
        set(this.#localF(index), f64.load(0, F_BASE + index * 8)),
      ),
    ];
  }

  /** Puts registers into the hart's state, and that floating-point state was written. */
  store(registers: RegisterSet): Stmt[] {
    return [
      ...indices(registers.x).map((index) => i64.store(0, this.#localX(index), X_BASE + index * 8)),
      ...indices(registers.f).map((index) => f64.store(0, this.#localF(index), F_BASE + index * 8)),
      ...(this.#floatDirty === undefined ? [] : [when(this.#floatDirty, [markFloatDirty()])]),
    ];
  }

  #localX(index: number): Local<"i64"> {
    let local = this.#x.get(index);
    if (local === undefined) {
      local = i64.local();
      this.#x.set(index, local);
    }
    return local;
  }

  #localF(index: number): Local<"f64"> {
    let local = this.#f.get(index);
    if (local === undefined) {
      local = f64.local();
      this.#f.set(index, local);
    }
    return local;
  }
}

function indices(bits: number): number[] {
  const list: number[] = [];
  for (let index = 0; index < 32; index++) if ((bits >>> index) & 1) list.push(index);
  return list;
}
