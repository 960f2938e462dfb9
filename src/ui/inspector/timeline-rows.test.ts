import { describe, expect, it } from "vitest";
import type { IndexedRow, TimelineState } from "../../inspect/calls.ts";
import { forget, knownAround, missing } from "./timeline-rows.ts";

const state: TimelineState = {
  isRecording: true,
  kept: 1000,
  first: 100,
  end: 1100,
  revision: 0,
  progress: 1,
};

const settled = { isSettled: true } as IndexedRow;
const unsettled = { isSettled: false } as IndexedRow;

const cacheOf = (from: number, to: number) =>
  new Map(Array.from({ length: to - from }, (_, i) => [from + i, settled]));

const at = (from: number) => ({
  state,
  seen: { from, to: from + 20 },
  drawn: { from: from - 2, to: from + 26 },
  margin: 60,
});

describe("what the list asks for", () => {
  it("is what it draws and no more, where it has nothing yet", () => {
    expect(missing(new Map(), at(500))).toEqual({ from: 498, to: 526 });
  });

  it("is also what is around, once that in sight is there", () => {
    expect(missing(cacheOf(498, 526), at(500))).toEqual({ from: 440, to: 580 });
  });

  it("is nothing while half of what is around is there", () => {
    expect(missing(cacheOf(470, 550), at(500))).toBeUndefined();
  });

  it("is what may have changed, if it is in sight", () => {
    const cache = cacheOf(440, 580).set(510, unsettled).set(570, unsettled);
    expect(missing(cache, at(500))).toEqual({ from: 510, to: 511 });
  });

  it("is never beyond the list", () => {
    const seen = { from: 1090, to: 1100 };
    const drawn = { from: 1072, to: 1100 };
    expect(missing(cacheOf(1072, 1100), { state, seen, drawn, margin: 60 })).toEqual({
      from: 1030,
      to: 1072,
    });
  });
});

it("draws nothing beyond what is in sight that has a gap before it", () => {
  const cache = cacheOf(495, 523);
  const { seen, drawn } = at(500);
  expect(knownAround(cache, seen, drawn)).toEqual({ from: 498, to: 523 });
  cache.delete(499);
  expect(knownAround(cache, seen, drawn)).toEqual({ from: 500, to: 523 });
});

it("forgets what it has had longest, but nothing that is drawn", () => {
  const cache = cacheOf(0, 5000);
  forget(cache, { from: 10, to: 30 });
  expect(cache.size).toBe(4000);
  expect(cache.has(9)).toBe(false);
  expect(cache.has(10)).toBe(true);
  expect(cache.has(29)).toBe(true);
  expect(cache.has(30)).toBe(false);
  expect(cache.has(4999)).toBe(true);
});
