/**
 * Holds a machine for who debugs it: no instruction runs, no timer fires and the guest's clock stands
 * still, so that the guest does not notice. What is behind the devices goes on.
 */
import type { DebugHit } from "../cpu/debug-points.ts";
import type { HartPort } from "../cpu/hart-port.ts";
import type { AdjustableTimebase } from "../irq/adjustable-timebase.ts";

/** Why a machine is held. */
export type HoldReason =
  | DebugHit
  /** Somebody called `begin`. */
  | { readonly kind: "request" }
  /** One instruction was executed while it is held. */
  | { readonly kind: "step" };

export type HoldObserver = (reason: HoldReason) => void;

/** What holding needs of the machine. */
export interface HoldHost {
  readonly timebase: AdjustableTimebase;
  readonly harts: readonly HartPort[];
  /** The next slice is due. */
  wake(): void;
  /** Does what may end the machine as a slice does; nothing if it has ended. */
  attempt(work: () => void): void;
}

export class Hold {
  readonly #host: HoldHost;
  readonly #observers = new Set<HoldObserver>();
  #isActive = false;
  /** The next instruction is executed whatever is set there. */
  #passesPoints = false;

  constructor(host: HoldHost) {
    this.#host = host;
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  /** Holds the machine before its next instruction. */
  begin(reason: HoldReason = { kind: "request" }): void {
    if (this.#isActive) return;
    this.#isActive = true;
    this.#host.timebase.freeze();
    for (const hart of this.#host.harts) hart.requestStop();
    this.#tell(reason);
  }

  /** Lets it go on. */
  end(): void {
    if (!this.#isActive) return;
    this.#isActive = false;
    this.#passesPoints = true;
    this.#host.timebase.thaw();
    this.#host.wake();
  }

  /** Executes one instruction of a held machine, or takes the exception that it raises. */
  step(): void {
    if (!this.#isActive) return;
    const { timebase, harts } = this.#host;
    timebase.thaw();
    this.#host.attempt(() => harts[0].debug?.step());
    timebase.freeze();
    this.#tell({ kind: "step" });
  }

  /** `observer` is told each time that the machine is held; the returned function ends that. */
  observe(observer: HoldObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Before a hart runs: who goes on from a breakpoint does not want to meet it again at once. */
  pass(hart: HartPort): void {
    if (!this.#passesPoints) return;
    this.#passesPoints = false;
    if (hart.debug?.points.hasBreakpoint(hart.pc()) === true) hart.debug.step();
  }

  /** A hart's run ended at a breakpoint, or at a watchpoint: debuggers expect its access to be done. */
  met({ debug }: HartPort): void {
    const hit = debug?.points.takeHit();
    if (hit === undefined) return;
    if (hit.kind === "watchpoint") debug?.step();
    this.begin(hit);
  }

  #tell(reason: HoldReason): void {
    for (const observer of this.#observers) observer(reason);
  }
}
