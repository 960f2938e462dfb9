/** Page tables: from virtual to physical addresses (Privileged Architecture, chapter 12). */
import {
  block,
  br,
  call,
  type Func,
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
import { Access, type PmpFunctions } from "./pmp.ts";
import {
  Cause,
  get,
  get32,
  Menvcfg,
  Mode,
  Mstatus,
  put,
  put32,
  recordFault,
  statusHas,
} from "./state.ts";
import { pageOf } from "./tlb.ts";

/** satp.MODE values (12.1.11). */
export const SatpMode = { bare: 0, sv39: 8, sv48: 9, sv57: 10 } as const;

export const PPN_MASK = (1n << 44n) - 1n;

export const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;
/** The memory type of the page (Svpbmt): PMA, non-cacheable, I/O, or reserved. All are RAM to us. */
const PTE_PBMT = 3n << 61n;
/** The page is one of a naturally aligned group (Svnapot). */
const PTE_N = -(2n ** 63n);
const PTE_RESERVED = 0x7fn << 54n;
/** The only group size that is defined: 64 KiB, by this pattern in the low bits of the PPN. */
export const NAPOT = { ppnBits: 0xf, pattern: 8, shift: 16 } as const;

/** Picks a cause by the kind of access. */
const causeFor = (access: I32, load: number, store: number, fetch: number): I32 =>
  i32.select(
    i32.eq(access, Access.read),
    load,
    i32.select(i32.eq(access, Access.write), store, fetch),
  );
export const accessFault = (access: I32): I32 =>
  causeFor(access, Cause.loadAccess, Cause.storeAccess, Cause.fetchAccess);
const pageFault = (access: I32): I32 =>
  causeFor(access, Cause.loadPage, Cause.storePage, Cause.fetchPage);

/** How page tables are read and written. */
export interface TableAccess {
  /** Host address of a table's entry at a physical address, or 0 if there is no memory. */
  readonly pteHost: (pa: I64) => I32;
  /** Notes that the page of a host address is written. */
  readonly noteWritten: (address: I32) => Stmt;
}

/** (va, access, mode): the physical address, or -1 with a fault recorded. */
function defineWalk(
  module: ModuleBuilder,
  pmp: PmpFunctions,
  { pteHost, noteWritten }: TableAccess,
): Func<"i64"> {
  return module.define("walk", ["i64", "i32", "i32"], "i64", (va, access, mode) => {
    const [table, pte, entry] = [i64.local(), i64.local(), i64.local()];
    const [shift, address, need] = [i64.local(), i32.local(), i64.local()];
    const [walk, refused, failed, leaf] = ["walk", "refused", "failed", "leaf"].map(label);
    const [page, top] = [i64.local(), i64.local()];
    const has = (bits: number | bigint): I64 => i64.and(pte, bits);
    const offsetMask = i64.sub(i64.shl(1, shift), 1);
    return [
      block(failed, [
        block(refused, [
          // Sv39 has three levels of nine bits, Sv48 one more and Sv57 another one.
          set(shift, i64.sub(i64.mul(i64.shr_u(get("satp"), 60), 9), SatpMode.sv39 * 9 - 30)),
          // Addresses are sign-extended from the top bit that the first level takes.
          set(top, i64.sub(55, shift)),
          br(refused, i64.ne(i64.shr_s(i64.shl(va, top), top), va)),
          set(table, i64.shl(i64.and(get("satp"), PPN_MASK), 12)),
          block(leaf, [
            loop(walk, [
              set(entry, i64.add(table, i64.shl(i64.and(i64.shr_u(va, shift), 0x1ff), 3))),
              set(address, pteHost(entry)),
              br(failed, i32.eqz(address)),
              br(failed, i32.eqz(call(pmp.check, entry, i64.add(entry, 7), Access.read, Mode.S))),
              set(pte, i64.load(address)),
              br(refused, i64.eqz(has(Pte.V))),
              br(refused, i64.eq(has(Pte.R | Pte.W), Pte.W)),
              br(refused, i64.ne(has(PTE_RESERVED), 0)),
              br(leaf, i64.ne(has(Pte.R | Pte.X), 0)),
              br(refused, i64.ne(has(BigInt(Pte.D | Pte.A | Pte.U) | PTE_PBMT | PTE_N), 0)),
              br(refused, i64.eq(shift, 12)),
              set(table, i64.shl(i64.and(i64.shr_u(pte, 10), PPN_MASK), 12)),
              set(shift, i64.sub(shift, 9)),
              br(walk),
            ]),
          ]),
          when(
            i64.ne(has(Pte.U), 0),
            [
              when(i32.eq(mode, Mode.S), [
                br(refused, i32.eq(access, Access.execute)),
                br(refused, i32.eqz(statusHas(Mstatus.SUM))),
              ]),
            ],
            [br(refused, i32.eq(mode, Mode.U))],
          ),
          set(need, has(Pte.R | Pte.W | Pte.X)),
          // MXR makes executable pages readable.
          when(i32.and(i32.ne(statusHas(Mstatus.MXR), 0), i64.ne(has(Pte.X), 0)), [
            set(need, i64.or(need, Pte.R)),
          ]),
          br(refused, i64.eqz(i64.and(need, i64.extend_i32_u(i32.shl(access, 1))))),
          when(i64.ne(has(PTE_PBMT), 0), [
            br(refused, i64.eqz(i64.and(get("menvcfg"), Menvcfg.PBMTE))),
            br(refused, i64.eq(has(PTE_PBMT), PTE_PBMT)),
          ]),
          set(page, i64.shl(i64.and(i64.shr_u(pte, 10), PPN_MASK), 12)),
          when(i64.lt_s(pte, 0), [
            br(refused, i64.ne(shift, 12)),
            br(refused, i64.ne(i64.and(i64.shr_u(pte, 10), NAPOT.ppnBits), NAPOT.pattern)),
            set(shift, NAPOT.shift),
            set(page, i64.sub(page, NAPOT.pattern << 12)),
          ]),
          // A superpage must be aligned: the low bits of its PPN are zero.
          br(refused, i64.ne(i64.and(page, offsetMask), 0)),
          set(need, i64.select(i32.eq(access, Access.write), Pte.A | Pte.D, Pte.A)),
          when(i64.ne(i64.and(pte, need), need), [
            br(refused, i64.eqz(i64.and(get("menvcfg"), Menvcfg.ADUE))),
            br(refused, get32("probing")),
            br(failed, i32.eqz(call(pmp.check, entry, i64.add(entry, 7), Access.write, Mode.S))),
            set(pte, i64.or(pte, need)),
            i64.store(address, pte),
            noteWritten(address),
          ]),
          when(i64.gt_u(shift, 12), [
            ...noteSuperpage(i64.and(va, i64.xor(offsetMask, -1)), i64.or(va, offsetMask)),
          ]),
          ret(i64.or(page, i64.and(va, offsetMask))),
        ]),
        ...recordFault(pageFault(access), va),
        ret(i64.const(-1)),
      ]),
      ...recordFault(accessFault(access), va),
      ret(i64.const(-1)),
    ];
  });
}

const noteSuperpage = (low: I64, high: I64): Stmt[] => [
  when(i64.lt_u(low, get("superpageLow")), [put("superpageLow", low)]),
  when(i64.gt_u(high, get("superpageHigh")), [put("superpageHigh", high)]),
];

/** (va, size, access, mode): the physical address, or -1. The bytes lie in one page. */
export function defineTranslate(
  module: ModuleBuilder,
  pmp: PmpFunctions,
  tables: TableAccess,
): Func<"i64"> {
  const walk = defineWalk(module, pmp, tables);
  return module.define(
    "translate",
    ["i64", "i32", "i32", "i32"],
    "i64",
    (va, size, access, mode) => {
      const pa = i64.local();
      const bare = i64.eqz(i64.shr_u(get("satp"), 60));
      return [
        when(
          i32.or(i32.eq(mode, Mode.M), bare),
          [
            // Physical addresses have 56 bits.
            when(i64.ne(i64.shr_u(va, 56), 0), [
              ...recordFault(accessFault(access), va),
              ret(i64.const(-1)),
            ]),
            set(pa, va),
          ],
          [set(pa, call(walk, va, access, mode)), when(i64.eq(pa, -1), [ret(i64.const(-1))])],
        ),
        when(
          i32.eqz(
            call(pmp.check, pa, i64.add(pa, i64.extend_i32_u(i32.sub(size, 1))), access, mode),
          ),
          [...recordFault(accessFault(access), va), ret(i64.const(-1))],
        ),
        put32("cacheable", call(pmp.uniform, pageOf(pa), i64.or(pa, 0xfff))),
        ret(pa),
      ];
    },
  );
}
