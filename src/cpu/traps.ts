/** Traps, interrupts and returns from them (Privileged Architecture 3.1.6 to 3.1.9, 3.3.2, 10.1). */
import {
  type Arg,
  bind,
  callVoid,
  type Func,
  type I32,
  i32,
  i64,
  type Stmt,
  set,
  when,
} from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module-builder.ts";
import { TLB, TlbContext } from "./layout.ts";
import {
  get,
  get32,
  INTERRUPT_FLAG,
  Mode,
  MPP_SHIFT,
  Mstatus,
  mip,
  put,
  put32,
  SPP_SHIFT,
  statusHas,
} from "./state.ts";
import { setGeneration } from "./tlb.ts";

export interface TrapFunctions {
  /** Recomputes what is derived from the mode and mstatus. */
  readonly updateContexts: Func<undefined>;
  /** Enters the handler for `faultCause` and `faultTval` at `pc`. */
  readonly takeTrap: Func<undefined>;
  /** Takes the most urgent interrupt that is pending and enabled, if any. */
  readonly checkInterrupts: Func<undefined>;
  readonly machineReturn: Func<undefined>;
  readonly supervisorReturn: Func<undefined>;
}

/** Interrupts from the most urgent down (3.1.9): MEI, MSI, MTI, SEI, SSI, STI. */
const PRIORITY = [11, 3, 7, 9, 1, 5];

export function defineTraps(module: ModuleBuilder): TrapFunctions {
  const updateContexts = defineUpdateContexts(module);
  const takeTrap = defineTakeTrap(module, updateContexts);
  const checkInterrupts = defineCheckInterrupts(module, takeTrap);
  const machineReturn = module.define("mret", [], undefined, () => {
    const status = i64.local();
    const previous = i32.local();
    return [
      set(status, get("mstatus")),
      set(previous, i32.and(i32.shr_u(i32.wrap_i64(status), MPP_SHIFT), 3)),
      moveBit(status, Mstatus.MPIE, Mstatus.MIE),
      set(status, i64.or(clear(status, Mstatus.MPP), Mstatus.MPIE)),
      when(i32.ne(previous, Mode.M), [set(status, clear(status, Mstatus.MPRV))]),
      put("mstatus", status),
      put32("mode", previous),
      put("pc", get("mepc")),
      callVoid(updateContexts),
    ];
  });
  const supervisorReturn = module.define("sret", [], undefined, () => {
    const status = i64.local();
    return [
      set(status, get("mstatus")),
      put32("mode", i32.and(i32.shr_u(i32.wrap_i64(status), SPP_SHIFT), 1)),
      moveBit(status, Mstatus.SPIE, Mstatus.SIE),
      // SRET never returns to M, so MPRV is always cleared.
      set(status, i64.or(clear(status, Mstatus.SPP | Mstatus.MPRV), Mstatus.SPIE)),
      put("mstatus", status),
      put("pc", get("sepc")),
      callVoid(updateContexts),
    ];
  });
  return { updateContexts, takeTrap, checkInterrupts, machineReturn, supervisorReturn };
}

type LocalI64 = ReturnType<typeof i64.local>;

const clear = (status: LocalI64, bits: number) => i64.and(status, ~bits);

/** Copies one bit of `status` to another place. */
function moveBit(status: LocalI64, from: number, to: number): Stmt {
  return set(status, i64.or(clear(status, to), i64.select(i64.eqz(i64.and(status, from)), 0, to)));
}

function defineUpdateContexts(module: ModuleBuilder): Func<undefined> {
  return module.define("update_contexts", [], undefined, () => {
    const [mode, data] = [i32.local(), i32.local()];
    const context = (id: Arg<"i32">): I32 =>
      i32.add(i32.mul(id as I32, TLB.contextBytes), TLB.base);
    const index = (ofMode: I32, supervisor: I32): I32 =>
      i32.select(i32.eq(ofMode, Mode.S), supervisor, ofMode);
    return [
      set(mode, get32("mode")),
      set(data, mode),
      when(i32.and(i32.eq(mode, Mode.M), i32.ne(statusHas(Mstatus.MPRV), 0)), [
        set(data, i32.shr_u(statusHas(Mstatus.MPP), MPP_SHIFT)),
      ]),
      put32("dataMode", data),
      // Contexts 0 and 3 have the numbers of modes U and M.
      put32(
        "dataTlb",
        context(
          index(
            data,
            i32.select(statusHas(Mstatus.SUM), TlbContext.supervisorSum, TlbContext.supervisor),
          ),
        ),
      ),
      put32("fetchTlb", i32.add(context(mode), TLB.execute)),
      put32(
        "fpIllegal",
        i32.or(i32.eqz(statusHas(Mstatus.FS)), i32.shl(i32.gt_u(get32("frm"), 4), 1)),
      ),
      ...setGeneration(),
    ];
  });
}

function defineTakeTrap(module: ModuleBuilder, updateContexts: Func<undefined>): Func<undefined> {
  return module.define("take_trap", [], undefined, () => {
    const [cause, mode, vector] = [i32.local(), i32.local(), i32.local()];
    const [status, code] = [i64.local(), i64.local()];
    const isInterrupt = i32.lt_s(cause, 0);
    const number = i32.and(cause, 0x7fff_ffff);
    const delegated = i64.and(
      i64.shr_u(i64.select(isInterrupt, get("mideleg"), get("medeleg")), i64.extend_i32_u(number)),
      1,
    );
    /** The handler's address: a vectored one has a slot of four bytes for each interrupt. */
    const target = (tvec: "stvec" | "mtvec") =>
      i64.add(i64.and(get(tvec), -4), i64.extend_i32_u(vector));
    const vectorFor = (tvec: "stvec" | "mtvec") =>
      set(vector, i32.select(i32.and(isInterrupt, i32.wrap_i64(get(tvec))), i32.shl(number, 2), 0));
    return [
      set(cause, get32("faultCause")),
      set(mode, get32("mode")),
      set(status, get("mstatus")),
      set(code, i64.or(i64.extend_i32_u(number), i64.select(isInterrupt, -(2n ** 63n), 0))),
      when(
        i32.and(i32.le_u(mode, Mode.S), i32.wrap_i64(delegated)),
        [
          put("sepc", get("pc")),
          put("scause", code),
          put("stval", get("faultTval")),
          moveBit(status, Mstatus.SIE, Mstatus.SPIE),
          set(status, clear(status, Mstatus.SIE | Mstatus.SPP)),
          set(status, i64.or(status, i64.extend_i32_u(i32.shl(mode, SPP_SHIFT)))),
          vectorFor("stvec"),
          put("pc", target("stvec")),
          put32("mode", Mode.S),
        ],
        [
          put("mepc", get("pc")),
          put("mcause", code),
          put("mtval", get("faultTval")),
          moveBit(status, Mstatus.MIE, Mstatus.MPIE),
          set(status, clear(status, Mstatus.MIE | Mstatus.MPP)),
          set(status, i64.or(status, i64.extend_i32_u(i32.shl(mode, MPP_SHIFT)))),
          vectorFor("mtvec"),
          put("pc", target("mtvec")),
          put32("mode", Mode.M),
        ],
      ),
      put("mstatus", status),
      callVoid(updateContexts),
    ];
  });
}

function defineCheckInterrupts(module: ModuleBuilder, takeTrap: Func<undefined>): Func<undefined> {
  return module.define("check_interrupts", [], undefined, () => {
    const [pending, ready, mode] = [i64.local(), i64.local(), i32.local()];
    const choose = PRIORITY.reduceRight(
      (rest, bit) => i32.select(i32.wrap_i64(i64.and(i64.shr_u(ready, bit), 1)), bit, rest),
      i32.const(0) as I32,
    );
    const take: Stmt[] = [
      put32("faultCause", i32.or(choose, INTERRUPT_FLAG)),
      put("faultTval", 0),
      callVoid(takeTrap),
      { kind: "return", value: undefined },
    ];
    /** Interrupts for a level are taken below it, and at it if its enable is set. */
    const enabled = (level: number, enable: number): I32 =>
      i32.or(i32.lt_u(mode, level), i32.and(i32.eq(mode, level), i32.ne(statusHas(enable), 0)));
    return [
      put32("attention", 0),
      ...bind(i64.and(mip(), get("mie")), (both) => [
        when(i64.eqz(both), [{ kind: "return", value: undefined }]),
        put32("waiting", 0),
        set(pending, both),
      ]),
      set(mode, get32("mode")),
      set(ready, i64.and(pending, i64.xor(get("mideleg"), -1))),
      when(i32.and(i64.ne(ready, 0), enabled(Mode.M, Mstatus.MIE)), take),
      set(ready, i64.and(pending, get("mideleg"))),
      when(i32.and(i64.ne(ready, 0), enabled(Mode.S, Mstatus.SIE)), take),
    ];
  });
}
