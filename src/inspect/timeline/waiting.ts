/** Requests that wait for the same thing, by their numbers; they come and go without garbage. */

/**
 * More than an honest driver leaves: it takes its interrupt for all of a ring at once. Only behind one that has
 * masked the interrupt and polls do more wait.
 */
const WAITING_MAX = 4096;

export class Waiting {
  readonly #seqs: number[] = [];
  length = 0;
  /** The first so many have what was to come before what they wait for. */
  reached = 0;

  /** The oldest half of too many is forgotten: what they wait for will not be known. */
  add(seq: number): void {
    if (this.length === WAITING_MAX) {
      this.#seqs.copyWithin(0, WAITING_MAX / 2);
      this.length = WAITING_MAX / 2;
      this.reached = Math.max(0, this.reached - WAITING_MAX / 2);
    }
    this.#seqs[this.length++] = seq;
  }

  /** One of `length`, the oldest first. */
  at(index: number): number {
    return this.#seqs[index];
  }

  moveTo(next: Waiting): void {
    for (let i = 0; i < this.length; i++) next.add(this.#seqs[i]);
    this.clear();
  }

  clear(): void {
    this.length = 0;
    this.reached = 0;
  }
}
