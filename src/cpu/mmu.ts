/**
 * Address translation and the slow paths of memory accesses (Privileged Architecture 10.3, 10.4).
 *
 * The fast path is a TLB hit in generated code. Everything else comes here: misses, MMIO, accesses
 * that cross a page, stores to pages with decoded code, and faults. A slow path either yields a host
 * address (an offset in the linear memory) or has recorded the fault and yields 0.
 */
import {
  type Arg,
  bind,
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
import { defineCacheBlock } from "./cache-block.ts";
import type { DecodeFunctions } from "./decode.ts";
import type { HostFunctions } from "./imports.ts";
import {
  CODE_MAP_BASE,
  ENTRY,
  FIELD,
  HART_MEMORY_BYTES,
  SCRATCH,
  SLOT,
  TLB,
  WATCH_FILTER,
  WINDOW_MAP,
  WRITTEN_MAP,
} from "./layout.ts";
import { Access, type PmpFunctions } from "./pmp.ts";
import { Cause, DEBUG_FLAG, get, get32, put, put32, recordFault } from "./state.ts";
import {
  codeBaseOf,
  covers,
  defineFlush,
  entryInSlot,
  type FlushFunctions,
  hostOf,
  logFill,
  PAGE_MASK,
  pageOf,
  pageOffset,
  tlbEntry,
} from "./tlb.ts";
import { accessFault, defineTranslate } from "./walk.ts";

export interface MmuFunctions extends FlushFunctions {
  /** (va, size): host address of the bytes to load, or 0. */
  readonly loadSlow: Func<"i32">;
  /** (va, size, value): 1, or 0 after a fault. */
  readonly storeSlow: Func<"i32">;
  /** (va, size, access): host address for an atomic access, or 0. */
  readonly atomicSlow: Func<"i32">;
  /** (operation, va, bits): what a CBO instruction of these bits does; 1, or 0 after a fault. */
  readonly cacheBlock: Func<"i32">;
  /** (pc): address of the decoded entry to execute, or 0; sets codeBase. */
  readonly fetch: Func<"i32">;
  /** (pc): the same for an instruction that needs a slot of its own. */
  readonly fetchSingle: Func<"i32">;
  /** (pc): the code slot of an executable page, or 0; changes nothing, not even an A bit. */
  readonly probe: Func<"i32">;
}

const misaligned = (va: I64, size: I32): I32 => i32.and(i32.wrap_i64(va), i32.sub(size, 1));

export function defineMmu(
  module: ModuleBuilder,
  host: HostFunctions,
  pmp: PmpFunctions,
  { decodeScratch }: DecodeFunctions,
): MmuFunctions {
  const windowHost = defineWindowHost(module);
  /** Host address of `size` bytes of one page at a physical address, or 0 if they are not memory. */
  const ramHost = (pa: I64, size: Arg<"i32">): I32 =>
    letIn(i64.sub(pa, get("ramBase")), (offset) =>
      i32.if(
        i64.le_u(offset, i64.sub(get("ramBytes"), i64.extend_i32_u(i32.add(size as I32, 0)))),
        i32.add(i32.wrap_i64(offset), HART_MEMORY_BYTES),
        call(windowHost, offset),
        true,
      ),
    );
  /** Notes that the page of a host address is written. */
  const noteWritten = (address: I32): Stmt =>
    i32.store8(i32.shr_u(i32.sub(address, HART_MEMORY_BYTES), 12), 1, WRITTEN_MAP.base);
  const fixedSize = (size: number): I32 => i32.const(size);
  /** Address of the code map's word for the page of a host address. */
  const codeMapWord = (address: I32): I32 =>
    i32.shl(i32.shr_u(i32.sub(address, HART_MEMORY_BYTES), 12), 2);
  const slotOf = (address: I32): I32 => i32.load(codeMapWord(address), CODE_MAP_BASE);

  const translate = defineTranslate(module, pmp, {
    pteHost: (pa) => ramHost(pa, fixedSize(8)),
    noteWritten,
  });

  /** Enters `address` for the page of `va`, if one permission holds for the whole page. */
  const fillTlb = (table: number, va: I64, address: I32): Stmt =>
    when(i32.gt_u(get32("cacheable"), isWatched(va)), [
      ...bind(tlbEntry(get32("dataTlb"), va), (entry) => [
        i64.store(entry, pageOf(va), table),
        i32.store(entry, i32.sub(address, i32.wrap_i64(va)), table + 8),
        ...logFill(i32.add(entry, table)),
      ]),
    ]);

  /**
   * What is done with the host address of an access that is in the TLB after all: one that is not aligned, which
   * the tags that fast paths compare leave out.
   */
  const ifKnown = (
    table: number,
    va: I64,
    size: Arg<"i32">,
    then: (address: I32) => readonly Stmt[],
  ): Stmt[] =>
    bind(tlbEntry(get32("dataTlb"), va), (entry) => [
      when(covers(entry, va, size, table), bind(hostOf(entry, va, table), then)),
    ]);

  const invalidate = defineInvalidate(module, host, slotOf);

  const fault = (cause: Arg<"i32">, va: I64, zero: Expr): Stmt[] => [
    ...recordFault(cause, va),
    ret(zero),
  ];
  const zero = i32.const(0);
  /** Leaves a slow path if a watchpoint stops the hart before the access. */
  const stopIfWatched = (va: I64, size: Arg<"i32">, access: Arg<"i32">): Stmt =>
    whenUnlikely(isWatched(va), [
      when(call(host.stopsAccess, va, size, access), fault(DEBUG_FLAG, va, zero)),
    ]);

  const loadSlow = module.define("load_slow", ["i64", "i32"], "i32", (va, size) => {
    const [pa, address] = [i64.local(), i32.local()];
    return [
      ...ifKnown(TLB.read, va, size, (known) => [ret(known)]),
      when(i32.gt_u(i32.add(pageOffset(va), size), 4096), [ret(call(loadCrossing, va, size))]),
      set(pa, call(translate, va, size, Access.read, get32("dataMode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      stopIfWatched(va, size, Access.read),
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
        stopIfWatched(at, 1, Access.read),
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
      ...ifKnown(TLB.write, va, size, (known) => [
        ...storeBytes(known, size, value),
        ret(i32.const(1)),
      ]),
      when(i32.gt_u(i32.add(pageOffset(va), size), 4096), [
        ret(call(storeCrossing, va, size, value)),
      ]),
      set(pa, call(translate, va, size, Access.write, get32("dataMode"))),
      when(i64.eq(pa, -1), [ret(zero)]),
      stopIfWatched(va, size, Access.write),
      set(address, ramHost(pa, size)),
      when(address, [
        when(
          slotOf(address),
          [callVoid(invalidate, address, size)],
          [fillTlb(TLB.write, va, address)],
        ),
        noteWritten(address),
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
            when(i32.eqz(pass), [stopIfWatched(at, 1, Access.write)]),
            set(address, ramHost(pa, fixedSize(1))),
            when(i32.eqz(address), fault(Cause.storeAccess, at, zero)),
            when(pass, [
              when(slotOf(address), [callVoid(invalidate, address, 1)]),
              noteWritten(address),
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
        whenUnlikely(isWatched(va), [
          when(call(host.stopsAtomic, va, size, access), fault(DEBUG_FLAG, va, zero)),
        ]),
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
            noteWritten(address),
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
      whenUnlikely(get32("breakpoints"), [
        when(call(host.stopsAt, pc), fault(DEBUG_FLAG, pc, zero)),
      ]),
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
      when(i32.ne(i32.load(slot, SCRATCH.bits), bits), [callVoid(decodeScratch, slot, bits)]),
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
      whenUnlikely(get32("breakpoints"), [callVoid(host.markBreakpoints, slot, pageOf(pc))]),
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
    cacheBlock: defineCacheBlock(module, atomicSlow),
    fetch,
    fetchSingle,
    probe,
    ...defineFlush(module),
  };
}

/** 1 if the page of `va`, or one that shares its place in the filter, has watched bytes; else 0. */
const isWatched = (va: I64): I32 =>
  i32.load8_u(i32.and(i32.wrap_i64(i64.shr_u(va, 12)), WATCH_FILTER.bytes - 1), WATCH_FILTER.base);

/** (distance from the start of RAM): host address of a byte of a window, or 0 if none is there. */
function defineWindowHost(module: ModuleBuilder): Func<"i32"> {
  return module.define("window_host", ["i64"], "i32", (offset) => {
    const block = i32.local();
    const index = i64.div_u(offset, WINDOW_MAP.blockBytes);
    return [
      when(i64.ge_u(index, WINDOW_MAP.count), [ret(i32.const(0))]),
      set(block, i32.load(i32.shl(i32.wrap_i64(index), 2), WINDOW_MAP.base)),
      when(i32.eqz(block), [ret(block)]),
      ret(i32.add(block, i32.and(i32.wrap_i64(offset), WINDOW_MAP.blockBytes - 1))),
    ];
  });
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

/** Half-words from where an instruction, or a pair of fused ones, begins to its last one. */
const REACH = 3;

/**
 * (address, size): forgets the decoded entries of the bytes about to be written. An instruction that
 * begins on the page before is decoded at every execution.
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
      set(half, i32.select(i32.gt_u(half, REACH), i32.sub(half, REACH), 0)),
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
