/** How fast a number grows, from looks at it. */

interface Sample {
  readonly atMs: number;
  readonly count: number;
}

/** Growth per second between looks, oldest first; the last `capacity` of them are kept. */
export class RateSeries {
  readonly capacity: number;
  readonly #rates: number[] = [];
  #last: Sample | undefined;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get rates(): readonly number[] {
    return this.#rates;
  }

  /** Undefined before the second look. */
  get latest(): number | undefined {
    return this.#rates.at(-1);
  }

  /** A count that has shrunk was begun anew, as after a reset of the machine. */
  add(sample: Sample): void {
    const last = this.#last;
    if (last !== undefined && sample.atMs <= last.atMs) return;
    this.#last = sample;
    if (last === undefined || sample.count < last.count) return;
    this.#rates.push(((sample.count - last.count) * 1000) / (sample.atMs - last.atMs));
    if (this.#rates.length > this.capacity) this.#rates.shift();
  }
}
