/** The CBO instructions (Unprivileged ISA, chapter 19) of a hart that has no cache. */
import {
  bind,
  call,
  type Func,
  type I32,
  type I64,
  i32,
  i64,
  ret,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { TLB } from "./layout.ts";
import { Access } from "./pmp.ts";
import { Cause, get, get32, Menvcfg, Mode, put, put32, recordFault } from "./state.ts";
import { hits, hostOf, tlbEntry } from "./tlb.ts";

/** Bytes that a CBO instruction works on; the device tree says so too. */
export const CACHE_BLOCK_BYTES = 64;

/** The CBO instructions by number. */
export const CacheBlock = { inval: 0, clean: 1, flush: 2, zero: 3 } as const;

/** (operation, va, bits): what a CBO instruction of these bits does; 1, or 0 after a fault. */
export function defineCacheBlock(module: ModuleBuilder, atomicSlow: Func<"i32">): Func<"i32"> {
  const failed = ret(i32.const(0));
  const done = ret(i32.const(1));
  /** Goes on behind itself after a fault. */
  const clear = (block: I64): Stmt[] => {
    const address = i32.local();
    const slow = call(atomicSlow, block, CACHE_BLOCK_BYTES, Access.write);
    return [
      ...bind(tlbEntry(get32("dataTlb"), block), (entry) => {
        const hit = hits(entry, block, CACHE_BLOCK_BYTES, TLB.write);
        return [set(address, i32.if(hit, hostOf(entry, block, TLB.write), slow))];
      }),
      when(address, [
        ...Array.from({ length: CACHE_BLOCK_BYTES / 8 }, (_, k) => i64.store(address, 0, k * 8)),
        done,
      ]),
    ];
  };
  return module.define("cache_block", ["i32", "i64", "i32"], "i32", (operation, va, bits) => [
    when(i32.eqz(isAllowed(operation)), [
      ...recordFault(Cause.illegal, i64.extend_i32_u(bits)),
      failed,
    ]),
    ...bind(i64.and(va, -CACHE_BLOCK_BYTES), (block) => [
      when(i32.eq(operation, CacheBlock.zero), clear(block), [
        // There is no cache. A block that may be loaded is accepted; a fault counts as a store's.
        when(call(atomicSlow, block, CACHE_BLOCK_BYTES, Access.read), [done]),
        put32("faultCause", i32.add(get32("faultCause"), Cause.storePage - Cause.loadPage)),
      ]),
    ]),
    // The trap value is what the program said, not the start of the block (19.2.5).
    put("faultTval", va),
    failed,
  ]);
}

/** Nonzero if menvcfg and senvcfg allow the instruction in the present mode (10.1.10). */
function isAllowed(operation: I32): I32 {
  const [bits, mode] = [i64.local(), get32("mode")];
  const enable = i64.select(
    i32.eq(operation, CacheBlock.zero),
    Menvcfg.CBZE,
    i64.select(i32.eq(operation, CacheBlock.inval), Menvcfg.CBIE, Menvcfg.CBCFE),
  );
  const has = (field: "menvcfg" | "senvcfg"): I32 => i64.ne(i64.and(get(field), bits), 0);
  const allowed = i32.or(
    i32.eq(mode, Mode.M),
    i32.and(has("menvcfg"), i32.or(i32.eq(mode, Mode.S), has("senvcfg"))),
  );
  return i32.seq([set(bits, enable)], allowed);
}
