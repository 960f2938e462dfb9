import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Histogram } from "./histogram.ts";

function of(values: readonly number[]) {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram.view();
}

describe("a histogram", () => {
  it("counts by powers of two", () => {
    const { bars, count, max } = of([0, 0.9, 1, 1.5, 2, 3, 4, 1000, 1e12]);
    expect(bars.slice(0, 4)).toEqual([2, 2, 2, 1]);
    expect(bars[10]).toBe(1);
    expect(bars.at(-1)).toBe(1);
    expect([count, max]).toEqual([9, 1e12]);
  });

  it("does not count what is not known", () => {
    expect(of([Number.NaN, -1])).toMatchObject({ count: 0, p50: 0, p99: 0, max: 0 });
  });

  it("has percentiles within a sixteenth of the right ones", () => {
    const values = fc.array(fc.double({ min: 1, max: 6e7, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, (values) => {
        const { p50, p95, p99 } = of(values);
        const sorted = values.toSorted((a, b) => a - b);
        for (const [share, found] of [
          [0.5, p50],
          [0.95, p95],
          [0.99, p99],
        ]) {
          const right = sorted[Math.ceil(share * values.length) - 1];
          expect(found).toBeGreaterThanOrEqual(right);
          expect(found).toBeLessThanOrEqual(right * (1 + 1 / 16));
        }
      }),
    );
  });
});
