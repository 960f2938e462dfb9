/**
 * The TLB's entries as generated code sees them, and how they are flushed. `layout.ts` says where the
 * tables are.
 */
import {
  callVoid,
  type Func,
  fill,
  type I32,
  type I64,
  i32,
  i64,
  type Stmt,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { TLB } from "./layout.ts";
import { get, put } from "./state.ts";

/** Clears the bits of an address within its page. */
export const PAGE_MASK = -4096;

export const pageOf = (va: I64): I64 => i64.and(va, PAGE_MASK);

/** Entry for `va` in the table at `table`: bits 12..19 of the address choose it. */
export const tlbEntry = (table: I32, va: I64): I32 =>
  i32.add(table, i32.and(i32.shr_u(i32.wrap_i64(va), 8), (TLB.entries - 1) * TLB.entryBytes));

/** codeBase for the page of `pc` whose slot is `slot`. */
export const codeBaseOf = (pc: I64, slot: I32): I64 =>
  i64.sub(pageOf(pc), i64.extend_i32_u(i32.shr_u(slot, 3)));

/** Address of the entry of `pc` in its page's slot: 16 bytes for each two of code. */
export const entryInSlot = (slot: I32, pc: I64): I32 =>
  i32.add(slot, i32.shl(i32.and(i32.wrap_i64(pc), 0xffe), 3));

export interface FlushFunctions {
  readonly flushAll: Func<undefined>;
  /** (va) */
  readonly flushPage: Func<undefined>;
}

export function defineFlush(module: ModuleBuilder): FlushFunctions {
  const flushAll = module.define(
    "flush_all",
    [],
    undefined,
    () => [
      fill(TLB.base, 0xff, TLB.contexts * TLB.contextBytes),
      put("superpageLow", -1),
      put("superpageHigh", 0),
    ],
    { export: true },
  );
  const flushPage = module.define("flush_page", ["i64"], undefined, (va) => {
    const inSuperpage = i32.and(
      i64.ge_u(va, get("superpageLow")),
      i64.le_u(va, get("superpageHigh")),
    );
    const tables: Stmt[] = [];
    for (let table = 0; table < TLB.contexts * 3; table++) {
      tables.push(i64.store(tlbEntry(i32.const(0), va), -1, TLB.base + table * TLB.tableBytes));
    }
    // A superpage is cached as many small pages: forgetting one of them is not enough.
    return [when(inSuperpage, [callVoid(flushAll)], tables)];
  });
  return { flushAll, flushPage };
}
