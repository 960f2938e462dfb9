import { expect, test } from "vitest";
import { LevelSeries, RateSeries } from "./rate-series.ts";

test("tells growth per second, and keeps the last of them", () => {
  const series = new RateSeries(2);
  expect(series.latest).toBeUndefined();
  series.add({ atMs: 1000, count: 10 });
  expect(series.latest).toBeUndefined();
  series.add({ atMs: 1500, count: 20 });
  expect(series.course).toEqual([null, 20]);
  series.add({ atMs: 2500, count: 20 });
  series.add({ atMs: 2600, count: 21 });
  expect(series.course).toEqual([0, 10]);
});

test("begins anew with a count that has shrunk, and takes one look at a time", () => {
  const series = new RateSeries(4);
  series.add({ atMs: 0, count: 100 });
  series.add({ atMs: 1000, count: 5 });
  expect(series.latest).toBeUndefined();
  series.add({ atMs: 1000, count: 50 });
  series.add({ atMs: 2000, count: 8 });
  expect(series.course).toEqual([null, null, null, 3]);
});

test("keeps a level at regular times, and the last of them", () => {
  const series = new LevelSeries(3, 1000);
  for (const atMs of [0, 250, 750, 1000, 1250, 2100]) series.add({ atMs, count: atMs });
  expect(series.course).toEqual([0, 1000, 2100]);
  series.add({ atMs: 3200, count: 7 });
  expect(series.course).toEqual([1000, 2100, 7]);
});
