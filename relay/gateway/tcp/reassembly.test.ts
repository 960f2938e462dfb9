import fc from "fast-check";
import { expect, it } from "vitest";
import { MAX_EARLY_SEGMENTS, Reassembly } from "./reassembly.ts";
import { advance } from "./sequence.ts";

const START = 0xffff_fff0;

function segment(from: number, to: number): [number, Uint8Array] {
  return [advance(START, from), Uint8Array.from({ length: to - from }, (_, i) => from + i)];
}

it("gives back in order what came in any order, with overlaps, across zero", () => {
  const pieces = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 20 })),
  );
  fc.assert(
    fc.property(pieces, (list) => {
      const reassembly = new Reassembly();
      const present = new Set<number>();
      for (const [from, length] of list) {
        reassembly.insert(...segment(from, from + length));
        for (let i = 0; i < length; i += 1) present.add(from + i);
      }
      // Byte 0 comes last; everything that follows it without a gap comes out.
      let next = 1;
      for (;;) {
        const bytes = reassembly.take(advance(START, next));
        if (bytes === undefined) break;
        expect([...bytes]).toEqual(Array.from(bytes, (_, i) => next + i));
        next += bytes.length;
      }
      let expected = 1;
      while (present.has(expected)) expected += 1;
      expect(next).toBe(expected);
    }),
  );
});

it("reports at most four ranges, joining neighbours", () => {
  const reassembly = new Reassembly();
  for (const from of [30, 10, 12, 50, 70, 90]) reassembly.insert(...segment(from, from + 2));
  expect(reassembly.ranges()).toEqual(
    [
      [10, 14],
      [30, 32],
      [50, 52],
      [70, 72],
    ].map(([start, end]) => ({
      start: advance(START, start),
      end: advance(START, end),
    })),
  );
});

it("keeps a bounded number of segments", () => {
  const reassembly = new Reassembly();
  for (let i = 0; i < MAX_EARLY_SEGMENTS; i += 1) {
    reassembly.insert(...segment(2 * i + 1, 2 * i + 2));
  }
  expect(reassembly.size).toBe(MAX_EARLY_SEGMENTS);
  reassembly.insert(...segment(9999, 10_000));
  expect(reassembly.size).toBe(MAX_EARLY_SEGMENTS);
});

it("drops what was received meanwhile", () => {
  const reassembly = new Reassembly();
  reassembly.insert(...segment(5, 10));
  reassembly.insert(...segment(10, 12));
  expect(reassembly.take(advance(START, 4))).toBeUndefined();
  expect(reassembly.take(advance(START, 11))).toEqual(Uint8Array.of(11));
  expect(reassembly.size).toBe(0);
});
