/**
 * How long a hart runs before the machine looks at timers and at the clock again.
 *
 * That time bounds how late a timer interrupt can be, and its inverse is the overhead of looking. The
 * budget of instructions follows the speed that is measured, which translated code changes by a
 * factor of a hundred.
 */

/** Milliseconds between two looks at the timers that the budget aims for. */
export const TARGET_MS = 0.075;

/** A budget is never lower: looking at the clock costs about as much as some hundred instructions. */
export const MIN_BUDGET = 1000;

/** Nor higher: a guest that idles in fast exits must not let it grow without end. */
export const MAX_BUDGET = 4_000_000;

const FIRST_BUDGET = 20_000;

/**
 * The most that one measurement may change the budget. Clocks of browsers are as coarse as 100 µs or
 * 1 ms and read 0 or a whole step; small moves average them out.
 */
const GROW = 1.25;
const SHRINK = 0.5;

export class SliceBudget {
  #instructions = FIRST_BUDGET;

  get instructions(): number {
    return this.#instructions;
  }

  /** Learns from a run that used the whole budget and took this long. */
  measured(ms: number): void {
    const wanted = ms > 0 ? TARGET_MS / ms : GROW;
    const factor = Math.min(GROW, Math.max(SHRINK, wanted));
    const next = Math.round(this.#instructions * factor);
    this.#instructions = Math.min(MAX_BUDGET, Math.max(MIN_BUDGET, next));
  }
}
