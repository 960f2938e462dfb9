/**
 * Who watches a machine does so for as long as somebody looks at what is kept: a closed tab cannot say that
 * it has left. Times are those of the caller's clock, in its unit.
 */
import type { MachineObserver } from "../machine/observers.ts";

/** Starts to tell an observer; what is returned ends it. */
export type Observe = (observer: MachineObserver) => () => void;

export class Lease {
  readonly #observe: Observe;
  readonly #observer: MachineObserver;
  readonly #time: number;
  #end: (() => void) | undefined;
  #endsAt = 0;

  /** @param time how long it goes on when nobody has looked */
  constructor(observe: Observe, observer: MachineObserver, time: number) {
    this.#observe = observe;
    this.#observer = observer;
    this.#time = time;
  }

  get isHeld(): boolean {
    return this.#end !== undefined;
  }

  /** Somebody looks. */
  renew(now: number): void {
    this.#endsAt = now + this.#time;
    this.resume();
  }

  /** What has been ended goes on, for no longer than it would have. */
  resume(): void {
    this.#end ??= this.#observe(this.#observer);
  }

  hasExpired(now: number): boolean {
    return now > this.#endsAt;
  }

  /** The observer is told of nothing more. */
  end(): void {
    this.#end?.();
    this.#end = undefined;
  }
}
