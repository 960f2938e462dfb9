/**
 * Address translation and the slow paths of memory accesses (Privileged Architecture 10.3, 10.4).
 *
 * The fast path is a TLB hit in generated code. Everything else comes here: misses, MMIO, accesses
 * that cross a page, stores to pages with decoded code, and faults. A slow path either yields a host
 * address (an offset in the linear memory) or has recorded the fault and yields 0.
 */
import type { RamRegion } from "../memory/guest-memory.ts";
import {
  type Arg,
  bind,
  block,
  br,
  call,
  callVoid,
  type Expr,
  type Func,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  label,
  letIn,
  loop,
  ret,
  type Stmt,
  set,
  when,
  whenUnlikely,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import type { HostFunctions } from "./imports.ts";
import { CODE_MAP_BASE, ENTRY, FIELD, SCRATCH, SLOT, TLB } from "./layout.ts";
import { Access, type PmpFunctions } from "./pmp.ts";
import { Cause, get, get32, Menvcfg, Mode, Mstatus, put, put32, statusHas } from "./state.ts";
import {
  codeBaseOf,
  defineFlush,
  entryInSlot,
  type FlushFunctions,
  logFill,
  PAGE_MASK,
  pageOf,
  tlbEntry,
} from "./tlb.ts";

const PPN_MASK = (1n << 44n) - 1n;

/** satp.MODE values (10.1.11). */
export const SatpMode = { bare: 0, sv39: 8 } as const;

const Pte = { V: 1, R: 2, W: 4, X: 8, U: 16, A: 64, D: 128 } as const;
/** Bits 63..54: N, PBMT and reserved, all of which must be zero without their extensions. */
const PTE_RESERVED_SHIFT = 54;

export interface MmuFunctions extends FlushFunctions {
  /** (va, size): host address of the bytes to load, or 0. */
  readonly loadSlow: Func<"i32">;
  /** (va, size, value): 1, or 0 after a fault. */
  readonly storeSlow: Func<"i32">;
  /** (va, size, access): host address for an atomic access, or 0. */
  readonly atomicSlow: Func<"i32">;
  /** (pc): address of the decoded entry to execute, or 0; sets codeBase. */
  readonly fetch: Func<"i32">;
  /** (pc): the same for an instruction that needs a slot of its own. */
  readonly fetchSingle: Func<"i32">;
  /** (pc): the code slot of an executable page, or 0; changes nothing, not even an A bit. */
  readonly probe: Func<"i32">;
}

const misaligned = (va: I64, size: I32): I32 => i32.and(i32.wrap_i64(va), i32.sub(size, 1));
const pageOffset = (va: I64): I32 => i32.and(i32.wrap_i64(va), 0xfff);

/** Picks a cause by the kind of access. */
const causeFor = (access: I32, load: number, store: number, fetch: number): I32 =>
  i32.select(
    i32.eq(access, Access.read),
    load,
    i32.select(i32.eq(access, Access.write), store, fetch),
  );
const accessFault = (access: I32): I32 =>
  causeFor(access, Cause.loadAccess, Cause.storeAccess, Cause.fetchAccess);
const pageFault = (access: I32): I32 =>
  causeFor(access, Cause.loadPage, Cause.storePage, Cause.fetchPage);

/** Records a fault, to be raised by whoever called the slow path. */
export const recordFault = (cause: Arg<"i32">, tval: Arg<"i64">): Stmt[] => [
  put32("faultCause", cause),
  put("faultTval", tval),
];

export function defineMmu(
  module: ModuleBuilder,
  host: HostFunctions,
  pmp: PmpFunctions,
  ram: RamRegion,
): MmuFunctions {
  /** Host address of `size` bytes at a physical address, or 0 if they are not all RAM. */
  const ramHost = (pa: I64, size: Arg<"i32">): I32 =>
    letIn(i64.sub(pa, ram.base), (offset) =>
      i32.select(
        i64.le_u(offset, i64.sub(ram.size, i64.extend_i32_u(i32.add(size as I32, 0)))),
        i32.add(i32.wrap_i64(offset), ram.offset),
        0,
      ),
    );
  const fixedSize = (size: number): I32 => i32.const(size);
  /** Address of the code map's word for the page of a host address. */
  const codeMapWord = (address: I32): I32 =>
    i32.shl(i32.shr_u(i32.sub(address, ram.offset), 12), 2);
  const slotOf = (address: I32): I32 => i32.load(codeMapWord(address), CODE_MAP_BASE);

  const walk = defineWalk(module, pmp, (pa) => ramHost(pa, fixedSize(8)));
  const translate = defineTranslate(module, pmp, walk);

  /** Enters `address` for the page of `va`, if one permission holds for the whole page. */
  const fillTlb = (table: number, va: I64, address: I32): Stmt =>
    when(get32("cacheable"), [
      ...bind(tlbEntry(get32("dataTlb"), va), (entry) => [
        i64.store(entry, pageOf(va), table),
        i32.store(entry, i32.sub(address, i32.wrap_i64(va)), table + 8),
        ...logFill(i32.add(entry, table)),
      ]),
    ]);

  const invalidate = defineInvalidate(module, host, slotOf);

  const fault = (cause: Arg<"i32">, va: I64, zero: Expr): Stmt[] => [
    ...recordFault(cause, va),
    ret(zero),
  ];
  const zero = i32.const(0);

  const loadSlow = module.define("load_slow", ["i64", "i32"], "i32", (va, size) => {
    const [pa, address] = [i64.local(), i32.local()];
    return [
      when(i32.gt_u(i32.add(pageOffset(va), size), 4096), [ret(call(loadCrossing, va, size))]),
      set(pa, call(translate, va, size, Access.read, get32("dataMode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      set(address, ramHost(pa, size)),
      when(address, [fillTlb(TLB.read, va, address), ret(address)]),
      // Devices see aligned accesses only; emulating others in software could not help either.
      when(misaligned(va, size), fault(Cause.loadAccess, va, zero)),
      when(
        i32.eqz(call(host.mmioRead, f64.convert_i64_u(pa), size)),
        fault(Cause.loadAccess, va, zero),
      ),
      ret(i32.const(FIELD.scratch)),
    ];
  });

  const loadCrossing = module.define("load_crossing", ["i64", "i32"], "i32", (va, size) => {
    const [k, address, pa, at] = [i32.local(), i32.local(), i64.local(), i64.local()];
    const next = label("next");
    return [
      set(k, 0),
      loop(next, [
        set(at, i64.add(va, i64.extend_i32_u(k))),
        set(pa, call(translate, at, 1, Access.read, get32("dataMode"))),
        when(i64.eq(pa, -1), [ret(zero)]),
        set(address, ramHost(pa, fixedSize(1))),
        when(i32.eqz(address), fault(Cause.loadAccess, at, zero)),
        i32.store8(k, i32.load8_u(address), FIELD.scratch),
        set(k, i32.add(k, 1)),
        br(next, i32.lt_u(k, size)),
      ]),
      ret(i32.const(FIELD.scratch)),
    ];
  });

  const storeSlow = module.define("store_slow", ["i64", "i32", "i64"], "i32", (va, size, value) => {
    const [pa, address] = [i64.local(), i32.local()];
    return [
      when(i32.gt_u(i32.add(pageOffset(va), size), 4096), [
        ret(call(storeCrossing, va, size, value)),
      ]),
      set(pa, call(translate, va, size, Access.write, get32("dataMode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      set(address, ramHost(pa, size)),
      when(address, [
        when(
          slotOf(address),
          [callVoid(invalidate, address, size)],
          [fillTlb(TLB.write, va, address)],
        ),
        ...storeBytes(address, size, value),
        ret(i32.const(1)),
      ]),
      when(misaligned(va, size), fault(Cause.storeAccess, va, zero)),
      put("scratch", value),
      when(
        i32.eqz(call(host.mmioWrite, f64.convert_i64_u(pa), size)),
        fault(Cause.storeAccess, va, zero),
      ),
      ret(i32.const(1)),
    ];
  });

  const storeCrossing = module.define(
    "store_crossing",
    ["i64", "i32", "i64"],
    "i32",
    (va, size, value) => {
      const [pass, k, address] = [i32.local(), i32.local(), i32.local()];
      const [pa, at] = [i64.local(), i64.local()];
      const [nextPass, next] = [label("nextPass"), label("next")];
      return [
        // The first pass only translates, so that a fault on the second page leaves both untouched.
        set(pass, 0),
        loop(nextPass, [
          set(k, 0),
          loop(next, [
            set(at, i64.add(va, i64.extend_i32_u(k))),
            set(pa, call(translate, at, 1, Access.write, get32("dataMode"))),
            when(i64.eq(pa, -1), [ret(zero)]),
            set(address, ramHost(pa, fixedSize(1))),
            when(i32.eqz(address), fault(Cause.storeAccess, at, zero)),
            when(pass, [
              when(slotOf(address), [callVoid(invalidate, address, 1)]),
              i64.store8(address, i64.shr_u(value, i64.extend_i32_u(i32.shl(k, 3)))),
            ]),
            set(k, i32.add(k, 1)),
            br(next, i32.lt_u(k, size)),
          ]),
          set(pass, i32.add(pass, 1)),
          br(nextPass, i32.lt_u(pass, 2)),
        ]),
        ret(i32.const(1)),
      ];
    },
  );

  const atomicSlow = module.define(
    "atomic_slow",
    ["i64", "i32", "i32"],
    "i32",
    (va, size, access) => {
      const [pa, address] = [i64.local(), i32.local()];
      return [
        set(pa, call(translate, va, size, access, get32("dataMode"))),
        when(i64.eq(pa, -1), [ret(zero)]),
        set(address, ramHost(pa, size)),
        // Atomics on devices are not supported: the PMA says so by an access fault (3.6.3).
        when(i32.eqz(address), fault(accessFault(access), va, zero)),
        when(
          i32.eq(access, Access.write),
          [
            when(
              slotOf(address),
              [callVoid(invalidate, address, size)],
              [fillTlb(TLB.write, va, address)],
            ),
          ],
          [fillTlb(TLB.read, va, address)],
        ),
        ret(address),
      ];
    },
  );

  const fetchSingle = module.define("fetch_single", ["i64"], "i32", (pc) => {
    const [pa, address, bits, slot] = [i64.local(), i32.local(), i32.local(), i32.local()];
    const half = (va: I64): Stmt[] => [
      set(pa, call(translate, va, 2, Access.execute, get32("mode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      set(address, ramHost(pa, fixedSize(2))),
      when(i32.eqz(address), fault(Cause.fetchAccess, va, zero)),
    ];
    return [
      ...half(pc),
      set(bits, i32.load16_u(address)),
      when(i32.eq(i32.and(bits, 3), 3), [
        ...bind(i64.add(pc, 2), (second) => half(second)),
        set(bits, i32.or(bits, i32.shl(i32.load16_u(address), 16))),
      ]),
      set(
        slot,
        i32.add(
          i32.mul(i32.and(i32.shr_u(i32.wrap_i64(pc), 1), SCRATCH.count - 1), SCRATCH.bytes),
          SCRATCH.base,
        ),
      ),
      when(i32.ne(i32.load(slot, SCRATCH.bits), bits), [callVoid(host.decodeScratch, slot, bits)]),
      put("codeBase", i64.sub(pc, i64.extend_i32_u(i32.shr_u(slot, 3)))),
      ret(slot),
    ];
  });

  const fetch = module.define("fetch", ["i64"], "i32", (pc) => {
    const [pa, address, slot] = [i64.local(), i32.local(), i32.local()];
    return [
      set(pa, call(translate, pc, 2, Access.execute, get32("mode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      set(address, ramHost(pa, fixedSize(2))),
      when(i32.eqz(address), fault(Cause.fetchAccess, pc, zero)),
      // A page of mixed PMP permissions is checked at every instruction.
      whenUnlikely(i32.eqz(get32("cacheable")), [ret(call(fetchSingle, pc))]),
      set(slot, slotOf(address)),
      when(i32.eqz(slot), [set(slot, call(host.allocateSlot, i32.and(address, PAGE_MASK)))]),
      ...bind(tlbEntry(get32("fetchTlb"), pc), (entry) => [
        i64.store(entry, pageOf(pc)),
        i32.store(entry, slot, 8),
        ...logFill(entry),
      ]),
      put("codeBase", codeBaseOf(pc, slot)),
      ret(entryInSlot(slot, pc)),
    ];
  });

  const probe = module.define("probe", ["i64"], "i32", (pc) => {
    const [pa, address] = [i64.local(), i32.local()];
    return [
      put32("probing", 1),
      set(pa, call(translate, pc, 2, Access.execute, get32("mode"))),
      put32("probing", 0),
      when(i64.eq(pa, -1), [ret(zero)]),
      set(address, ramHost(pa, fixedSize(2))),
      when(i32.or(i32.eqz(address), i32.eqz(get32("cacheable"))), [ret(zero)]),
      ret(slotOf(address)),
    ];
  });

  return {
    loadSlow,
    storeSlow,
    atomicSlow,
    fetch,
    fetchSingle,
    probe,
    ...defineFlush(module),
  };
}

export function storeBytes(address: I32, size: I32, value: I64): Stmt[] {
  return [
    when(
      i32.eq(size, 8),
      [i64.store(address, value)],
      [
        when(
          i32.eq(size, 4),
          [i64.store32(address, value)],
          [when(i32.eq(size, 2), [i64.store16(address, value)], [i64.store8(address, value)])],
        ),
      ],
    ),
  ];
}

/** (va, access, mode): the physical address, or -1 with a fault recorded. */
function defineWalk(
  module: ModuleBuilder,
  pmp: PmpFunctions,
  pteHost: (pa: I64) => I32,
): Func<"i64"> {
  return module.define("walk", ["i64", "i32", "i32"], "i64", (va, access, mode) => {
    const [table, pte, entry] = [i64.local(), i64.local(), i64.local()];
    const [shift, address, need] = [i64.local(), i32.local(), i64.local()];
    const [walk, refused, failed, leaf] = ["walk", "refused", "failed", "leaf"].map(label);
    const has = (bits: number): I64 => i64.and(pte, bits);
    const offsetMask = i64.sub(i64.shl(1, shift), 1);
    return [
      block(failed, [
        block(refused, [
          // Sv39 addresses are sign-extended from bit 38.
          br(refused, i64.ne(i64.shr_s(i64.shl(va, 25), 25), va)),
          set(table, i64.shl(i64.and(get("satp"), PPN_MASK), 12)),
          set(shift, 30),
          block(leaf, [
            loop(walk, [
              set(entry, i64.add(table, i64.shl(i64.and(i64.shr_u(va, shift), 0x1ff), 3))),
              set(address, pteHost(entry)),
              br(failed, i32.eqz(address)),
              br(failed, i32.eqz(call(pmp.check, entry, i64.add(entry, 7), Access.read, Mode.S))),
              set(pte, i64.load(address)),
              br(refused, i64.eqz(has(Pte.V))),
              br(refused, i64.eq(has(Pte.R | Pte.W), Pte.W)),
              br(refused, i64.ne(i64.shr_u(pte, PTE_RESERVED_SHIFT), 0)),
              br(leaf, i64.ne(has(Pte.R | Pte.X), 0)),
              br(refused, i64.ne(has(Pte.D | Pte.A | Pte.U), 0)),
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
          // A superpage must be aligned: the low bits of its PPN are zero.
          br(refused, i64.ne(i64.and(i64.shl(i64.shr_u(pte, 10), 12), offsetMask), 0)),
          set(need, i64.select(i32.eq(access, Access.write), Pte.A | Pte.D, Pte.A)),
          when(i64.ne(i64.and(pte, need), need), [
            br(refused, i64.eqz(i64.and(get("menvcfg"), Menvcfg.ADUE))),
            br(refused, get32("probing")),
            br(failed, i32.eqz(call(pmp.check, entry, i64.add(entry, 7), Access.write, Mode.S))),
            set(pte, i64.or(pte, need)),
            i64.store(address, pte),
          ]),
          when(i64.gt_u(shift, 12), [
            ...noteSuperpage(i64.and(va, i64.xor(offsetMask, -1)), i64.or(va, offsetMask)),
          ]),
          ret(i64.or(i64.shl(i64.and(i64.shr_u(pte, 10), PPN_MASK), 12), i64.and(va, offsetMask))),
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
function defineTranslate(module: ModuleBuilder, pmp: PmpFunctions, walk: Func<"i64">): Func<"i64"> {
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

/**
 * (address, size): forgets the decoded entries of the bytes about to be written. An instruction may
 * begin one half-word before them; one that begins on the page before is decoded at every execution.
 */
function defineInvalidate(
  module: ModuleBuilder,
  host: HostFunctions,
  slotOf: (address: I32) => I32,
): Func<undefined> {
  return module.define("invalidate_code", ["i32", "i32"], undefined, (address, size) => {
    const [half, last, slot] = [i32.local(), i32.local(), i32.local()];
    const next = label("next");
    const offset = i32.and(address, 0xfff);
    return [
      set(slot, slotOf(address)),
      when(i32.load(slot, SLOT.translated), [callVoid(host.dropTranslations, slot)]),
      set(half, i32.shr_u(offset, 1)),
      set(last, i32.shr_u(i32.add(offset, i32.sub(size, 1)), 1)),
      when(half, [set(half, i32.sub(half, 1))]),
      loop(next, [
        i32.store16(i32.add(slot, i32.mul(half, ENTRY.bytes)), 0),
        set(half, i32.add(half, 1)),
        br(next, i32.le_u(half, last)),
      ]),
      i32.store(slot, i32.sub(i32.load(slot, SLOT.storesLeft), 1), SLOT.storesLeft),
      when(i32.eqz(i32.load(slot, SLOT.storesLeft)), [callVoid(host.releaseSlot, slot)]),
    ];
  });
}
