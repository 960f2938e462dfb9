/**
 * The TLB's entries as generated code sees them, and how they are flushed. `layout.ts` says where the
 * tables are.
 */
import {
  type Arg,
  bind,
  br,
  callVoid,
  type Func,
  fill,
  type I32,
  type I64,
  i32,
  i64,
  label,
  loop,
  ret,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { EXECUTED_FILTER, GENERATIONS_BASE, TLB, TLB_LOG } from "./layout.ts";
import { get, get32, Mode, put } from "./state.ts";

/** Clears the bits of an address within its page. */
export const PAGE_MASK = -4096;

export const pageOf = (va: I64): I64 => i64.and(va, PAGE_MASK);
export const pageOffset = (va: I64): I32 => i32.and(i32.wrap_i64(va), 0xfff);

/** Entry for `va` in the table at `table`: bits 12..21 of the address choose it. */
export const tlbEntry = (table: I32, va: I64): I32 =>
  i32.add(table, i32.and(i32.shr_u(i32.wrap_i64(va), 8), (TLB.entries - 1) * TLB.entryBytes));

/** The tag matches only an access that is aligned, and so within the page. */
export const hits = (entry: I32, va: I64, size: number, table: number): I32 =>
  i64.eq(i64.load(entry, table), i64.and(va, PAGE_MASK | (size - 1)));

/** Whether an entry is for the page of an access of any alignment that lies in one page. */
export const covers = (entry: I32, va: I64, size: Arg<"i32">, table: number): I32 =>
  i32.and(
    i64.eq(i64.load(entry, table), pageOf(va)),
    i32.le_u(pageOffset(va), i32.sub(4096, size)),
  );

/** Host address of what an entry that matches translates. */
export const hostOf = (entry: I32, va: I64, table: number): I32 =>
  i32.add(i32.wrap_i64(va), i32.load(entry, table + 8));

/** codeBase for the page of `pc` whose slot is `slot`. */
export const codeBaseOf = (pc: I64, slot: I32): I64 =>
  i64.sub(pageOf(pc), i64.extend_i32_u(i32.shr_u(slot, 3)));

/** Address of the entry of `pc` in its page's slot: 16 bytes for each two of code. */
export const entryInSlot = (slot: I32, pc: I64): I32 =>
  i32.add(slot, i32.shl(i32.and(i32.wrap_i64(pc), 0xffe), 3));

const count = (field: "tlbFilled" | "tlbFlushes" | "tlbPageFlushes", by: Arg<"i64"> = 1): Stmt =>
  put(field, i64.add(get(field), by));

/** Notes that the entry at `address` was filled, for the next flush. */
export const logFill = (address: I32): Stmt[] =>
  bind(get("tlbFills"), (fills) => [
    when(i64.lt_u(fills, TLB_LOG.count), [
      i32.store(i32.shl(i32.wrap_i64(fills), 2), address, TLB_LOG.base),
    ]),
    put("tlbFills", i64.add(fills, 1)),
  ]);

/** The byte of the filter of executed pages for `va`. */
const filterByte = (va: I64): I32 =>
  i32.and(i32.wrap_i64(i64.shr_u(va, 12)), EXECUTED_FILTER.bytes - 1);

/** Translated code relies from now on on the mapping of the page of `va`. */
export const noteExecuted = (va: I64): Stmt => i32.store8(filterByte(va), 1, EXECUTED_FILTER.base);

export interface FlushFunctions {
  readonly flushAll: Func<undefined>;
  /** (va) */
  readonly flushPage: Func<undefined>;
}

export function defineFlush(module: ModuleBuilder): FlushFunctions {
  const renew = defineRenewGenerations(module);
  const flushAll = module.define(
    "flush_all",
    [],
    undefined,
    () => {
      const [k, fills] = [i32.local(), i32.local()];
      const next = label("next");
      return [
        count("tlbFlushes"),
        count("tlbFilled", get("tlbFills")),
        set(fills, i32.wrap_i64(get("tlbFills"))),
        when(
          i64.ge_u(get("tlbFills"), TLB_LOG.count),
          [fill(TLB.base, 0xff, TLB.contexts * TLB.contextBytes)],
          [
            set(k, 0),
            when(fills, [
              loop(next, [
                i64.store(i32.load(i32.shl(k, 2), TLB_LOG.base), -1),
                set(k, i32.add(k, 1)),
                br(next, i32.lt_u(k, fills)),
              ]),
            ]),
          ],
        ),
        put("tlbFills", 0),
        put("superpageLow", -1),
        put("superpageHigh", 0),
        callVoid(renew),
      ];
    },
    { export: true },
  );
  const flushPage = module.define("flush_page", ["i64"], undefined, (va) => {
    const inSuperpage = i32.and(
      i64.ge_u(va, get("superpageLow")),
      i64.le_u(va, get("superpageHigh")),
    );
    const tables: Stmt[] = [];
    for (let context = 0; context < TLB.contexts; context++) {
      for (const table of [TLB.read, TLB.write, TLB.execute]) {
        const base = TLB.base + context * TLB.contextBytes + table;
        tables.push(i64.store(tlbEntry(i32.const(0), va), -1, base));
      }
    }
    // A superpage is cached as many small pages: forgetting one of them is not enough.
    return [
      when(inSuperpage, [callVoid(flushAll), ret()]),
      count("tlbPageFlushes"),
      ...tables,
      when(i32.load8_u(filterByte(va), EXECUTED_FILTER.base), [callVoid(renew)]),
    ];
  });
  return { flushAll, flushPage };
}

/** New numbers for the mappings of all contexts: regions are checked again before they run. */
function defineRenewGenerations(module: ModuleBuilder): Func<undefined> {
  return module.define("renew_generations", [], undefined, () => {
    const last = i64.local();
    const contexts = Array.from({ length: TLB.contexts }, (_, context) => context);
    return [
      set(last, i64.add(get("lastGeneration"), TLB.contexts)),
      put("lastGeneration", last),
      ...contexts.map((context) =>
        i64.store(0, i64.sub(last, context), GENERATIONS_BASE + context * 8),
      ),
      fill(EXECUTED_FILTER.base, 0, EXECUTED_FILTER.bytes),
      ...setGeneration(),
    ];
  });
}

/** Recomputes the number of the present mapping after the mode or the context for data changed. */
export const setGeneration = (): Stmt[] => [
  // M-mode that loads and stores with another mode's permissions (MPRV) has a mapping of its own.
  when(
    i32.and(i32.eq(get32("mode"), Mode.M), i32.ne(get32("dataMode"), Mode.M)),
    [
      put("lastGeneration", i64.add(get("lastGeneration"), 1)),
      put("generation", get("lastGeneration")),
    ],
    [
      put(
        "generation",
        i64.load(
          i32.shl(i32.div_u(i32.sub(get32("dataTlb"), TLB.base), TLB.contextBytes), 3),
          GENERATIONS_BASE,
        ),
      ),
    ],
  ),
];
