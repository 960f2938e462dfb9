/** What the machine, the SBI and the inspector may ask of a hart. `hart.ts` implements it. */
import type { DebugPoints } from "./debug-points.ts";
import type { HartState } from "./hart-state.ts";
import type { TranslatorStats } from "./jit/translator-stats.ts";
import type { TlbStats } from "./tlb-stats.ts";

/** Interrupt causes, which are also the bit numbers in `mip` (Privileged Architecture, 3.1.9). */
export const Interrupt = {
  supervisorSoftware: 1,
  machineSoftware: 3,
  supervisorTimer: 5,
  machineTimer: 7,
  supervisorExternal: 9,
  machineExternal: 11,
} as const;
export type Interrupt = (typeof Interrupt)[keyof typeof Interrupt];

/** Why `run` came back. */
export type RunExit =
  /** The instruction budget is used up. */
  | "budget"
  /** WFI with no pending interrupt: nothing to do until a line rises or the next timer. */
  | "wfi"
  /** `requestStop` was called, from a device or the SBI. */
  | "stop"
  /** Before an instruction at a breakpoint, or one that accesses what is watched: see `HartDebug`. */
  | "debug";

export type PrivilegeMode = "U" | "S" | "M";

/** The state a hart starts from; everything else is as after a power-on reset. */
export interface HartStart {
  readonly pc: number;
  readonly mode: "S" | "M";
  /** By convention the hart id. */
  readonly a0: number;
  /** By convention the address of the device tree. */
  readonly a1: number;
}

export interface HartPort {
  readonly id: number;
  reset(start: HartStart): void;
  /** Its state between two runs, for `load` of a hart of the same kind. */
  save(): HartState;
  /** @throws RangeError for a state that no hart can have */
  load(state: HartState): void;
  /** Runs until the budget of instructions is used or something else ends the slice. */
  run(maxInstructions: number): RunExit;
  /** Makes a `run` that is under way return "stop" before its next instruction. */
  requestStop(): void;
  /** Drives one of the interrupt wires; takes effect before the next instruction. */
  setInterrupt(cause: Interrupt, high: boolean): void;
  /** The tick (of `Timebase`) at which `stimecmp` fires, or Infinity. */
  nextTimerTick(): number;
  /** Re-evaluates the time-driven interrupts; the machine calls it before a slice. */
  updateTimer(): void;
  /** Instructions retired since power-on. */
  instructionCount(): number;
  mode(): PrivilegeMode;
  pc(): bigint;
  /** Integer register x0..x31 as an unsigned 64-bit value. */
  getX(index: number): bigint;
  setX(index: number, value: bigint): void;
  /** Raw bits of floating-point register f0..f31. */
  getF(index: number): bigint;
  setF(index: number, value: bigint): void;
  /** A CSR by number without side effects, or undefined if it does not exist. */
  peekCsr(csr: number): bigint | undefined;
  /** Sets `stimecmp`, for the SBI timer call. */
  setTimer(tick: bigint): void;
  /** Forgets cached address translations, as SFENCE.VMA with no operands. */
  flushTlb(): void;
  /** Forgets decoded instructions, as FENCE.I. */
  flushCode(): void;
  /** What the cache of address translations holds and has done. */
  tlb(): TlbStats;
  /** What was translated; undefined if nothing is. */
  readonly translation: TranslatorStats | undefined;
  /** Absent from a hart that cannot be debugged. */
  readonly debug?: HartDebug;
}

/** What a debugger needs of a hart between two runs. */
export interface HartDebug {
  readonly points: DebugPoints;
  /**
   * Executes one instruction, or takes the exception that it raises, past whatever is set there. No
   * interrupt is taken before it: it stays pending.
   */
  step(): RunExit;
  setPc(value: bigint): void;
  setMode(mode: PrivilegeMode): void;
  /** Writes a CSR as an M-mode instruction would; false if it does not exist or is read-only. */
  pokeCsr(csr: number, value: bigint): boolean;
}

/** Answers an ECALL from S-mode in place of M-mode firmware; see `sbi.ts`. */
export interface EcallHandler {
  ecall(hart: HartPort): void;
}
