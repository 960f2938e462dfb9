/** Numbers from a range, handed out once until they are given back; those given back last go first. */
export class NumberPool {
  readonly #end: number;
  readonly #back: number[] = [];
  /** The lowest that was never handed out. */
  #next: number;

  /** The numbers from `first` up to `end`, without that. */
  constructor(first: number, end: number) {
    this.#next = first;
    this.#end = end;
  }

  /** How many there are to be had. */
  get size(): number {
    return this.#back.length + this.#end - this.#next;
  }

  /** Undefined if there is none left. */
  take(): number | undefined {
    if (this.#back.length > 0) return this.#back.pop();
    return this.#next < this.#end ? this.#next++ : undefined;
  }

  giveBack(numbers: Iterable<number>): void {
    for (const number of numbers) this.#back.push(number);
  }
}
