/**
 * How long something took, counted by powers of two of a microsecond. Each is divided further, so that
 * percentiles are right to a sixteenth of their value without keeping or sorting what was counted.
 */

/** Bars: below 1 µs, from 1, from 2, from 4 and so on; the last has everything from 2^25 µs (34 s). */
const BARS = 27;

/** Parts that a bar is divided into for percentiles. */
const PARTS = 16;

/** Plain and structured-clonable; times in µs. */
export interface HistogramView {
  readonly count: number;
  /** How many were in each bar; bar i begins at 2^(i - 1) µs, bar 0 at 0. */
  readonly bars: readonly number[];
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export class Histogram {
  readonly #parts = new Uint32Array(BARS * PARTS);
  #count = 0;
  #max = 0;

  /** What is not known, or was measured by a clock that went back, does not count. */
  add(us: number): void {
    if (!(us >= 0)) return;
    this.#parts[partOf(us)]++;
    this.#count++;
    if (us > this.#max) this.#max = us;
  }

  view(): HistogramView {
    const bars = Array.from({ length: BARS }, (_, bar) =>
      this.#parts.subarray(bar * PARTS, (bar + 1) * PARTS).reduce((sum, count) => sum + count, 0),
    );
    return {
      count: this.#count,
      bars,
      p50: this.#percentile(0.5),
      p95: this.#percentile(0.95),
      p99: this.#percentile(0.99),
      max: this.#max,
    };
  }

  /** The end of the part that has it: never less than what it stands for, nor more than the maximum. */
  #percentile(share: number): number {
    let left = Math.ceil(share * this.#count);
    if (left === 0) return 0;
    for (let part = 0; part < this.#parts.length; part++) {
      left -= this.#parts[part];
      if (left <= 0) return Math.min(endOf(part), this.#max);
    }
    return this.#max;
  }
}

function partOf(us: number): number {
  if (us < 1) return Math.floor(us * PARTS);
  const bar = Math.min(BARS - 1, 1 + Math.floor(Math.log2(us)));
  const part = Math.floor((us / 2 ** (bar - 1) - 1) * PARTS);
  return bar * PARTS + Math.min(PARTS - 1, Math.max(0, part));
}

function endOf(part: number): number {
  const bar = Math.floor(part / PARTS);
  const share = ((part % PARTS) + 1) / PARTS;
  return bar === 0 ? share : 2 ** (bar - 1) * (1 + share);
}
