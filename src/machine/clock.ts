/** The host's clocks, injected, and the guest's clock made from them. */
import { TIMEBASE_HZ, type Timebase } from "../irq/timebase.ts";

export interface Clock {
  /** Milliseconds with fractions from any origin; never decreases. `performance.now()` fits. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallClockMs(): number;
}

const TICKS_PER_MS = TIMEBASE_HZ / 1000;

/** Counts ticks from the moment it is made. */
export class ClockTimebase implements Timebase {
  readonly #clock: Clock;
  readonly #origin: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#origin = clock.nowMs();
  }

  ticks(): number {
    return Math.floor((this.#clock.nowMs() - this.#origin) * TICKS_PER_MS);
  }

  wallClockMs(): number {
    return this.#clock.wallClockMs();
  }
}

/** Milliseconds until `tick`, from `now`. */
export function msBetween(now: number, tick: number): number {
  return Math.max(0, (tick - now) / TICKS_PER_MS);
}
