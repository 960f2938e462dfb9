/** How a number goes, from looks at it: how fast it grows, or how much it is. */

interface Sample {
  readonly atMs: number;
  readonly count: number;
}

/** Growth per second between looks; the last `capacity` of them are kept. */
export class RateSeries {
  #course: readonly (number | null)[];
  #last: Sample | undefined;

  constructor(capacity: number) {
    this.#course = Array.from({ length: capacity }, () => null);
  }

  /** Oldest first; null from before the first. */
  get course(): readonly (number | null)[] {
    return this.#course;
  }

  /** Undefined before the second look. */
  get latest(): number | undefined {
    return this.#course.at(-1) ?? undefined;
  }

  /** A count that has shrunk was begun anew, as after a reset of the machine. */
  add(sample: Sample): void {
    const last = this.#last;
    if (last !== undefined && sample.atMs <= last.atMs) return;
    this.#last = sample;
    if (last === undefined || sample.count < last.count) return;
    const rate = ((sample.count - last.count) * 1000) / (sample.atMs - last.atMs);
    this.#course = [...this.#course.slice(1), rate];
  }
}

/** How much there was, at one look of several: the last `capacity` of those, `everyMs` apart. */
export class LevelSeries {
  readonly #everyMs: number;
  #course: readonly (number | null)[];
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(capacity: number, everyMs: number) {
    this.#everyMs = everyMs;
    this.#course = Array.from({ length: capacity }, () => null);
  }

  /** Oldest first; null from before the first. */
  get course(): readonly (number | null)[] {
    return this.#course;
  }

  add({ atMs, count }: Sample): void {
    if (atMs < this.#dueMs) return;
    this.#dueMs = atMs + this.#everyMs;
    this.#course = [...this.#course.slice(1), count];
  }
}
