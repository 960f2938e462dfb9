import fc from "fast-check";
import { expect, it } from "vitest";
import { ByteRing } from "./byte-ring.ts";

it("gives back what was put in, or nothing once it was overwritten", () => {
  const capacity = 48;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: capacity })), (lengths) => {
      const ring = new ByteRing(capacity);
      const puts = lengths.map((length, i) => {
        // In two parts, of which the second has more than is asked for.
        const parts = [new Uint8Array(length >> 1).fill(i), new Uint8Array(length).fill(i)];
        return { at: ring.put(parts, length), length, i };
      });
      for (const { at, length, i } of puts) {
        const view = ring.view(at, length);
        if (view !== undefined) expect([...view]).toEqual(new Array(length).fill(i));
      }
      const last = puts.at(-1);
      if (last !== undefined) expect(ring.view(last.at, last.length)).toBeDefined();
    }),
  );
});

it("takes no more at once than it holds", () => {
  expect(() => new ByteRing(8).put([new Uint8Array(9)], 9)).toThrow(RangeError);
});
