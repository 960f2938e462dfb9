/**
 * How many requests are recorded while nobody looks. A guest makes some dozens a second when it is used by hand;
 * one that reads its disk past the page cache makes tens of thousands, and then the record would cost it some
 * percent of its time although nobody sees it.
 */

/** Who has not looked for so long, in µs, does not look: a panel that is shown asks several times a second. */
export const UNWATCHED_US = 3_000_000;

const WINDOW_US = 1_000_000;

/**
 * Of each window, one behind the other, so that what follows what can be seen. They take some 5 ms, and 13 on a computer
 * whose cores others use too.
 */
export const REQUESTS_PER_WINDOW = 2000;

export class Allowance {
  /** From then on as many again are recorded, by the caller's clock in µs. */
  renewedAt = 0;
  #watchedUntil = 0;
  #left = 0;

  /** Somebody looks. */
  look(now: number): void {
    this.#watchedUntil = now + UNWATCHED_US;
    this.renewedAt = 0;
  }

  /** Whether a request that was made then is to be recorded. */
  allows(now: number): boolean {
    if (now <= this.#watchedUntil) return true;
    if (now >= this.renewedAt) {
      this.renewedAt = now + WINDOW_US;
      this.#left = REQUESTS_PER_WINDOW;
    }
    return this.#left-- > 0;
  }
}
