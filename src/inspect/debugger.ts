/**
 * A debugger over a machine: holds it, steps it, and has it stop at breakpoints and watchpoints. One
 * machine has one, whoever uses it: the inspector, a GDB client, or both at the same time.
 */
import type { DebugHit, Watchpoint as DebugWatchpoint, WatchKind } from "../cpu/debug-points.ts";
import type { HartDebug, HartPort } from "../cpu/hart-port.ts";
import type { HoldReason } from "../machine/hold.ts";
import type { Machine } from "../machine/machine.ts";
import { instructionAt, isCall, returnAddress } from "./calls-and-returns.ts";
import { parseCondition } from "./condition.ts";
import { translationState } from "./hart-state.ts";
import { VirtualMemory } from "./virtual-memory.ts";

const SP = 2;
const SATP = 0x180;

/** Why the machine was held last: at the end of a step or of a run to somewhere, or by something met. */
export type StopReason = HoldReason | { readonly kind: "reached" };

export interface BreakpointOptions {
  readonly address: bigint;
  /** See `condition.ts`; the breakpoint is met if it holds. */
  readonly condition?: string;
  /** It is passed so many times before it stops the machine. */
  readonly ignore?: number;
}

export interface Breakpoint extends BreakpointOptions {
  readonly id: number;
  readonly isEnabled: boolean;
  /** How often it was met. */
  readonly hits: number;
}

export interface Watchpoint {
  readonly id: number;
  readonly address: bigint;
  readonly length: number;
  readonly kind: WatchKind;
  readonly isEnabled: boolean;
  readonly hits: number;
}

/** Somebody who wants the machine to stop at an address; told each time that it comes by. */
type Claim = () => boolean;

export class Debugger {
  readonly machine: Machine;
  readonly #claims = new Map<bigint, Set<Claim>>();
  readonly #breakpoints = new Map<number, OwnBreakpoint>();
  readonly #watchpoints = new Map<number, OwnWatchpoint>();
  readonly #listeners = new Set<(reason: StopReason) => void>();
  /** What ends the run that is under way, such as one to the end of a function. */
  #endRun: (() => void) | undefined;
  #hasReached = false;
  #lastId = 0;
  #stop: StopReason | undefined;

  private constructor(machine: Machine) {
    this.machine = machine;
    machine.hold.observe((reason) => this.#held(reason));
  }

  static readonly #all = new WeakMap<Machine, Debugger>();

  /** The machine's only one. */
  static of(machine: Machine): Debugger {
    const found = Debugger.#all.get(machine) ?? new Debugger(machine);
    Debugger.#all.set(machine, found);
    return found;
  }

  get hart(): HartPort {
    return this.machine.harts[0];
  }

  /** As the hart sees it now. */
  get memory(): VirtualMemory {
    return new VirtualMemory(this.machine.memory, translationState(this.hart));
  }

  get isHeld(): boolean {
    return this.machine.hold.isActive;
  }

  /** Undefined while the machine runs. */
  get stop(): StopReason | undefined {
    return this.isHeld ? this.#stop : undefined;
  }

  /** `listener` is told each time that the machine stops; the returned function ends that. */
  onStop(listener: (reason: StopReason) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  hold(): void {
    this.machine.hold.begin();
  }

  release(): void {
    this.machine.hold.end();
  }

  /** Executes one instruction, or takes the exception that it raises; interrupts stay pending. */
  step(): void {
    this.#need();
    this.machine.hold.step();
  }

  /** The same, but what it calls runs to its return: a function, or whatever answers an ECALL. */
  stepOver(): void {
    this.#need();
    const pc = this.hart.pc();
    const instruction = instructionAt(this.memory, pc);
    if (instruction === undefined || !isCall(instruction)) this.step();
    else this.#runTo(pc + BigInt(instruction.length), this.#inThisFrame());
  }

  /** Runs until the function has returned. */
  stepOut(): void {
    this.#need();
    this.#runTo(returnAddress(this.memory, this.hart) & ~1n, this.#inThisFrame());
  }

  /** Runs to an address, or to whatever stops the machine before. @throws RangeError */
  runTo(address: bigint): void {
    this.#need();
    this.#runTo(address, () => true);
  }

  get breakpoints(): readonly Breakpoint[] {
    return [...this.#breakpoints.values()].map(({ view }) => view);
  }

  /** @throws Error if it cannot be there, or its condition is none. */
  addBreakpoint(options: BreakpointOptions): number {
    const test = options.condition === undefined ? () => true : parseCondition(options.condition);
    const id = ++this.#lastId;
    const own: OwnBreakpoint = {
      view: { ...options, id, isEnabled: true, hits: 0 },
      claim: () => {
        if (!test(this.hart)) return false;
        const hits = own.view.hits + 1;
        own.view = { ...own.view, hits };
        return hits > (options.ignore ?? 0);
      },
    };
    this.claim(options.address, own.claim);
    this.#breakpoints.set(id, own);
    return id;
  }

  removeBreakpoint(id: number): void {
    const own = this.#breakpoints.get(id);
    if (own === undefined) return;
    this.unclaim(own.view.address, own.claim);
    this.#breakpoints.delete(id);
  }

  /** @throws RangeError if there are too many by now. */
  enableBreakpoint(id: number, isEnabled: boolean): void {
    const own = this.#breakpoints.get(id);
    if (own === undefined) return;
    if (isEnabled) this.claim(own.view.address, own.claim);
    else this.unclaim(own.view.address, own.claim);
    own.view = { ...own.view, isEnabled };
  }

  get watchpoints(): readonly Watchpoint[] {
    return [...this.#watchpoints.values()].map(({ view }) => view);
  }

  /** @throws RangeError if these bytes cannot be watched, or too many are. */
  addWatchpoint(address: bigint, length: number, kind: WatchKind): number {
    const watchpoint = { address, length, kind };
    this.#need().points.addWatchpoint(watchpoint);
    const id = ++this.#lastId;
    this.#watchpoints.set(id, {
      watchpoint,
      view: { ...watchpoint, id, isEnabled: true, hits: 0 },
    });
    return id;
  }

  removeWatchpoint(id: number): void {
    const own = this.#watchpoints.get(id);
    if (own === undefined) return;
    this.#need().points.removeWatchpoint(own.watchpoint);
    this.#watchpoints.delete(id);
  }

  /** @throws RangeError if there are too many by now. */
  enableWatchpoint(id: number, isEnabled: boolean): void {
    const own = this.#watchpoints.get(id);
    if (own === undefined || own.view.isEnabled === isEnabled) return;
    const { points } = this.#need();
    if (isEnabled) points.addWatchpoint(own.watchpoint);
    else points.removeWatchpoint(own.watchpoint);
    own.view = { ...own.view, isEnabled };
  }

  /**
   * Has the machine stop at an address whenever `claim` says so; it may read registers and memory.
   * @throws RangeError if no instruction can be there, or if there are too many.
   */
  claim(address: bigint, claim: Claim): void {
    const { points } = this.#need();
    const va = BigInt.asUintN(64, address);
    const claims = this.#claims.get(va) ?? new Set();
    // All are asked, since some count.
    points.setBreakpoint(va, () => [...claims].filter((wants) => wants()).length > 0);
    this.#claims.set(va, claims);
    claims.add(claim);
  }

  unclaim(address: bigint, claim: Claim): void {
    const va = BigInt.asUintN(64, address);
    const claims = this.#claims.get(va);
    claims?.delete(claim);
    if (claims?.size !== 0) return;
    this.#claims.delete(va);
    this.#need().points.removeBreakpoint(va);
  }

  /** @throws Error if the hart cannot be debugged. */
  #need(): HartDebug {
    const { debug } = this.hart;
    if (debug === undefined) throw new Error("This hart cannot be debugged.");
    return debug;
  }

  /** Whether the hart is back in the function that is on top of the stack now, or its caller. */
  #inThisFrame(): Claim {
    const sp = this.hart.getX(SP);
    const satp = this.hart.peekCsr(SATP);
    return () => this.hart.getX(SP) >= sp && this.hart.peekCsr(SATP) === satp;
  }

  #runTo(address: bigint, isThere: Claim): void {
    this.#endRun?.();
    const claim = () => {
      if (!isThere()) return false;
      this.#hasReached = true;
      return true;
    };
    this.claim(address, claim);
    this.#endRun = () => this.unclaim(address, claim);
    this.release();
  }

  #held(reason: HoldReason): void {
    this.#stop = this.#hasReached && reason.kind === "breakpoint" ? { kind: "reached" } : reason;
    this.#hasReached = false;
    this.#endRun?.();
    this.#endRun = undefined;
    if (reason.kind === "watchpoint") this.#count(reason);
    for (const listener of this.#listeners) listener(this.#stop);
  }

  #count(hit: DebugHit & { kind: "watchpoint" }): void {
    for (const own of this.#watchpoints.values()) {
      if (own.watchpoint === hit.watchpoint) own.view = { ...own.view, hits: own.view.hits + 1 };
    }
  }
}

interface OwnBreakpoint {
  view: Breakpoint;
  readonly claim: Claim;
}

interface OwnWatchpoint {
  readonly watchpoint: DebugWatchpoint;
  view: Watchpoint;
}
