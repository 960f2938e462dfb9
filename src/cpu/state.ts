/** Expressions for the fields of the hart's state; see `layout.ts`. */
import {
  type Arg,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  type Stmt,
  set,
} from "../wasm/expr.ts";
import { CALL_LOG, FIELD, JUMP_LOG, type NarrowField, type WideField } from "./layout.ts";

export const get = (field: WideField): I64 => i64.load(0, FIELD[field]);
export const put = (field: WideField, value: Arg<"i64">): Stmt => i64.store(0, value, FIELD[field]);
export const get32 = (field: NarrowField): I32 => i32.load(0, FIELD[field]);
export const put32 = (field: NarrowField, value: Arg<"i32">): Stmt =>
  i32.store(0, value, FIELD[field]);

/** mstatus bits (Privileged Architecture 3.1.6). */
export const Mstatus = {
  SIE: 1 << 1,
  MIE: 1 << 3,
  SPIE: 1 << 5,
  MPIE: 1 << 7,
  SPP: 1 << 8,
  MPP: 3 << 11,
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
  /** UXL and SXL, both fixed at 64 bits. */
  XL: 0xa_0000_0000n,
  SD: -(2n ** 63n),
} as const;

export const MPP_SHIFT = 11;
export const SPP_SHIFT = 8;

/** menvcfg bits (3.1.18). */
export const Menvcfg = {
  FIOM: 1,
  CBIE: 3 << 4,
  CBCFE: 1 << 6,
  CBZE: 1 << 7,
  ADUE: 1n << 61n,
  PBMTE: 1n << 62n,
  STCE: 1n << 63n,
} as const;

/** The bits that senvcfg has too (10.1.10). */
export const SENVCFG = Menvcfg.FIOM | Menvcfg.CBIE | Menvcfg.CBCFE | Menvcfg.CBZE;

export const Mode = { U: 0, S: 1, M: 3 } as const;

export const modeOf = (mode: number): keyof typeof Mode =>
  mode === Mode.U ? "U" : mode === Mode.S ? "S" : "M";

/** Exception causes (3.1.15). */
export const Cause = {
  fetchAccess: 1,
  illegal: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  ecallU: 8,
  fetchPage: 12,
  loadPage: 13,
  storePage: 15,
} as const;

/** `faultCause` has this bit for an interrupt. */
export const INTERRUPT_FLAG = 0x8000_0000;

/** `faultCause` has this bit if there is no fault: a breakpoint or watchpoint stops the hart. */
export const DEBUG_FLAG = 0x4000_0000;

/** Records a fault, to be raised by whoever called the slow path. */
export const recordFault = (cause: Arg<"i32">, tval: Arg<"i64">): Stmt[] => [
  put32("faultCause", cause),
  put("faultTval", tval),
];

/** The value of fflags, and a write to it. */
export const readFlags = (): I64 => i64.extend_i32_u(get32("fflags"));
export const writeFlags = (value: I64): Stmt => put32("fflags", i32.and(i32.wrap_i64(value), 31));

/** The pending bits of mip: wires and software together. */
export const mip = (): I64 => i64.extend_i32_u(i32.or(get32("mipLines"), get32("mipSoft")));

/** Nonzero if any of `bits` of mstatus is set. */
export const statusHas = (bits: number): I32 => i32.and(i32.load(0, FIELD.mstatus), bits);

/** Marks the floating-point state dirty: FS is bits 14..13, in the second byte of mstatus. */
export const markFloatDirty = (): Stmt =>
  i32.store8(0, i32.or(i32.load8_u(0, FIELD.mstatus + 1), 0x60), FIELD.mstatus + 1);

/** Notes a computed jump, for the translator to follow. */
export const logJump = (from: I64, target: I64): Stmt[] => {
  const at = i32.local();
  const mixed = i32.add(i32.mul(i32.wrap_i64(from), 31), i32.wrap_i64(target));
  return [
    set(at, i32.and(i32.shl(mixed, 3), (JUMP_LOG.count - 1) * JUMP_LOG.bytes)),
    i64.store(at, from, JUMP_LOG.base),
    i64.store(at, target, JUMP_LOG.base + 8),
  ];
};

/** Notes the target of a call: where a function begins. */
export const logCall = (target: I64): Stmt =>
  i64.store(
    i32.and(i32.shl(i32.wrap_i64(target), 2), (CALL_LOG.count - 1) * CALL_LOG.bytes),
    target,
    CALL_LOG.base,
  );

/**
 * Makes the running code look at `attention` soon: with no budget left it goes back to the main loop
 * at its next transfer of control, which restores what is set aside here.
 */
export const setBudgetAside = (budget: Local<"i32">): Stmt[] => [
  put32("budgetHeld", i32.add(get32("budgetHeld"), budget)),
  put("instretAnchor", i64.sub(get("instretAnchor"), i64.extend_i32_s(budget))),
  set(budget, 0),
];
