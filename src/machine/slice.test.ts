import { expect, it } from "vitest";
import { MAX_BUDGET, MIN_BUDGET, SliceBudget, TARGET_MS } from "./slice.ts";

/** Runs at a speed in instructions per ms, with a clock that counts in steps of `step` ms. */
function settle(speed: number, step = 0): number {
  const budget = new SliceBudget();
  let now = 0;
  let total = 0;
  const rounds = 2000;
  for (let i = 0; i < rounds; i++) {
    const before = now;
    now += budget.instructions / speed;
    const read = (ms: number) => (step === 0 ? ms : Math.floor(ms / step) * step);
    budget.measured(read(now) - read(before));
    if (i >= rounds / 2) total += budget.instructions;
  }
  return total / (rounds / 2) / speed;
}

it("settles at the aim for any speed", () => {
  for (const speed of [20_000, 200_000, 2_000_000]) expect(settle(speed)).toBeCloseTo(TARGET_MS, 3);
});

it("stays near it with the coarse clocks of browsers", () => {
  expect(settle(300_000, 0.1)).toBeGreaterThan(0.02);
  expect(settle(300_000, 0.1)).toBeLessThan(0.2);
  expect(settle(300_000, 1)).toBeLessThan(0.6);
});

it("has bounds", () => {
  const budget = new SliceBudget();
  for (let i = 0; i < 100; i++) budget.measured(1000);
  expect(budget.instructions).toBe(MIN_BUDGET);
  for (let i = 0; i < 100; i++) budget.measured(0);
  expect(budget.instructions).toBe(MAX_BUDGET);
});
