import fc from "fast-check";
import { expect, it } from "vitest";
import { PageSet } from "./page-set.ts";

it("is a set", () => {
  const page = fc.oneof(fc.nat(40), fc.integer({ min: 0x7ff0, max: 0x8010 }), fc.nat(0xffff_ffff));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), page)), (steps) => {
      const pages = new PageSet();
      const expected = new Set<number>();
      for (const [adds, number] of steps) {
        if (adds) {
          expect(pages.add(number)).toBe(!expected.has(number));
          expected.add(number);
        } else {
          expect(pages.delete(number)).toBe(expected.delete(number));
        }
      }
      expect(pages.size).toBe(expected.size);
      expect(pages.values()).toEqual([...expected].sort((a, b) => a - b));
    }),
  );
});
