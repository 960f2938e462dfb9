/** The functions that generated code calls in the host: rare work, and everything outside the hart. */
import type { Func } from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";

export interface HostFunctions {
  /** Gives the page at this host address a code slot and returns the slot's address. */
  readonly allocateSlot: Func<"i32">;
  /** A page with this code slot is written: drops the translated code that depends on it. */
  readonly dropTranslations: Func<undefined>;
  /** The page with this code slot is stored to so often that it holds data now. */
  readonly releaseSlot: Func<undefined>;
  /** Translated code has used its budget: how many more instructions it may run. */
  readonly poll: Func<"i32">;
  /** A region, by the address of its record, has retreated often. */
  readonly retreated: Func<undefined>;
  /** MMIO load of a size at a physical address; the value is left in `scratch`. 0 = access fault. */
  readonly mmioRead: Func<"i32">;
  /** MMIO store of the low `size` bytes of `scratch`. 0 = access fault. */
  readonly mmioWrite: Func<"i32">;
  /** The time CSR's value. */
  readonly time: Func<"f64">;
  /** stimecmp or its enable changed: recompute the timer's pending bit. */
  readonly timerChanged: Func<undefined>;
  /** Writes `scratch` to a pmpcfg (0..) or pmpaddr (0x10..) register. */
  readonly pmpWrite: Func<undefined>;
  /** Answers an ECALL from S-mode. */
  readonly ecall: Func<undefined>;
  /** The raw bits of the instruction whose entry is at this address. */
  readonly rawBits: Func<"i32">;
  /** (slot, page address): a page is executed while there are breakpoints. */
  readonly markBreakpoints: Func<undefined>;
  /** (pc): nonzero if the hart is to stop before this instruction. */
  readonly stopsAt: Func<"i32">;
  /** (va, size, access): nonzero if it is to stop before this access. */
  readonly stopsAccess: Func<"i32">;
  /** The same for an atomic instruction or a cache block. */
  readonly stopsAtomic: Func<"i32">;
  /** (record, page address): whether a region has a breakpoint at that address, and so is dropped. */
  readonly dropsRegion: Func<"i32">;
}

export function importHost(module: ModuleBuilder): HostFunctions {
  const host = "host";
  return {
    allocateSlot: module.importFunction(host, "allocateSlot", ["i32"], "i32"),
    dropTranslations: module.importFunction(host, "dropTranslations", ["i32"], undefined),
    releaseSlot: module.importFunction(host, "releaseSlot", ["i32"], undefined),
    poll: module.importFunction(host, "poll", [], "i32"),
    retreated: module.importFunction(host, "retreated", ["i32"], undefined),
    mmioRead: module.importFunction(host, "mmioRead", ["f64", "i32"], "i32"),
    mmioWrite: module.importFunction(host, "mmioWrite", ["f64", "i32"], "i32"),
    time: module.importFunction(host, "time", [], "f64"),
    timerChanged: module.importFunction(host, "timerChanged", [], undefined),
    pmpWrite: module.importFunction(host, "pmpWrite", ["i32"], undefined),
    ecall: module.importFunction(host, "ecall", [], undefined),
    rawBits: module.importFunction(host, "rawBits", ["i32"], "i32"),
    markBreakpoints: module.importFunction(host, "markBreakpoints", ["i32", "i64"], undefined),
    stopsAt: module.importFunction(host, "stopsAt", ["i64"], "i32"),
    stopsAccess: module.importFunction(host, "stopsAccess", ["i64", "i32", "i32"], "i32"),
    stopsAtomic: module.importFunction(host, "stopsAtomic", ["i64", "i32", "i32"], "i32"),
    dropsRegion: module.importFunction(host, "dropsRegion", ["i32", "i64"], "i32"),
  };
}
