import { expect, it } from "vitest";
import { formatBar, formatDuration, formatMoment } from "./time-format.ts";

it("gives durations three digits and a unit", () => {
  const shown = [0, 0.5, 9.994, 9.996, 99.96, 999.4, 1000, 12_345, 999_999, 34_000_000];
  expect(shown.map(formatDuration)).toEqual([
    ...["0.00 µs", "0.50 µs", "9.99 µs", "10.0 µs", "100 µs", "999 µs"],
    ...["1.00 ms", "12.3 ms", "1000 ms", "34.0 s"],
  ]);
});

it("gives moments in seconds", () => {
  expect(formatMoment(1_234_567.8)).toBe("1.234568");
});

it("says what a histogram's bar counts: one ends where the next begins", () => {
  expect([0, 1, 11].map(formatBar)).toEqual([
    ...["0.00 µs to 1.00 µs", "1.00 µs to 2.00 µs", "1.02 ms to 2.05 ms"],
  ]);
});
