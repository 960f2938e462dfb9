/**
 * How much devices may do for a guest before the machine looks at its clock again. A guest that
 * kicks, resets or reads registers in a tight loop, or fills a ring with large requests, then waits
 * for itself: slices end on time, the host is served, and so are the other devices.
 */

/**
 * What is done, in bytes copied, of which a host does some gigabytes a second; measured with the
 * devices of this project, and rounded up.
 */
export const Work = { ACCESS: 256, CHAIN: 2048, DESCRIPTOR: 512, RESET: 16 * 1024 } as const;

/** About a millisecond: more than an honest driver asks for between two looks at the clock. */
export const WORK_PER_TURN = 4 * 1024 * 1024;

export class WorkBudget {
  readonly #perTurn: number;
  readonly #onSpent: () => void;
  #left: number;
  #isServing = false;
  /** In the order in which they came, so that none is forgotten for another. */
  readonly #waiting = new Set<() => void>();

  /** @param onSpent called when the budget is used up, and when something begins to wait. */
  constructor(onSpent: () => void, perTurn = WORK_PER_TURN) {
    this.#onSpent = onSpent;
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Whether something waits for the next turn. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  spend(amount: number): void {
    const wasSpent = this.isSpent;
    this.#left -= amount;
    if (this.isSpent && !wasSpent && !this.#isServing) this.#onSpent();
  }

  /** Calls `resume` in a later turn, once however often it is asked for. */
  defer(resume: () => void): void {
    const isFirst = this.#waiting.size === 0;
    this.#waiting.add(resume);
    // The machine may have gone to sleep with the budget spent.
    if (isFirst && !this.#isServing) this.#onSpent();
  }

  /** Begins a turn: first a budget for what waits, then another for what the guest does next. */
  renew(): void {
    this.#left = this.#perTurn;
    if (this.#waiting.size === 0) return;
    this.#isServing = true;
    for (const resume of this.#waiting) {
      if (this.isSpent) break;
      this.#waiting.delete(resume);
      resume();
    }
    this.#isServing = false;
    this.#left = this.#perTurn;
  }
}
