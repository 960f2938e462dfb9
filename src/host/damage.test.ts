import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAMAGE_MAX, DAMAGE_SLACK_PIXELS, Damage, type Damaged } from "./damage.ts";

const rectangle = (left: number, top: number, width: number, height: number): Damaged => ({
  left,
  top,
  right: left + width,
  bottom: top + height,
});

function taken(...parts: Damaged[]): readonly Damaged[] {
  const damage = new Damage();
  for (const part of parts) damage.add(part);
  return damage.take();
}

describe("Damage", () => {
  it("keeps what is far apart apart", () => {
    const [pointer, clock] = [rectangle(0, 0, 16, 16), rectangle(900, 700, 100, 50)];
    expect(taken(pointer, clock)).toEqual([pointer, clock]);
  });

  it("takes together what touches, overlaps or is near", () => {
    expect(taken(rectangle(0, 0, 500, 16), rectangle(0, 16, 500, 16))).toEqual([
      rectangle(0, 0, 500, 32),
    ]);
    expect(taken(rectangle(0, 0, 500, 500), rectangle(10, 10, 20, 20))).toEqual([
      rectangle(0, 0, 500, 500),
    ]);
    const gap = DAMAGE_SLACK_PIXELS / 16;
    const [left, near] = [rectangle(0, 0, 16, 16), rectangle(16 + gap, 0, 16, 16)];
    expect(taken(left, near)).toEqual([rectangle(0, 0, 32 + gap, 16)]);
    expect(taken(left, rectangle(17 + gap, 0, 16, 16))).toHaveLength(2);
  });

  it("covers what a larger rectangle has come to", () => {
    const [a, b] = [rectangle(0, 0, 100, 100), rectangle(0, 300, 100, 100)];
    expect(taken(a, b, rectangle(0, 100, 100, 200))).toEqual([rectangle(0, 0, 100, 400)]);
  });

  it("covers too many by one", () => {
    const parts = Array.from({ length: DAMAGE_MAX + 1 }, (_, i) => rectangle(i * 5000, 0, 1, 1));
    expect(taken(...parts.slice(1))).toHaveLength(DAMAGE_MAX);
    expect(taken(...parts)).toEqual([rectangle(0, 0, DAMAGE_MAX * 5000 + 1, 1)]);
  });

  it("is gone once it is taken", () => {
    const damage = new Damage();
    damage.add(rectangle(1, 2, 3, 4));
    expect(damage.take()).toHaveLength(1);
    expect(damage.take()).toEqual([]);
  });

  it("covers every pixel that changed", () => {
    const side = fc.integer({ min: 1, max: 600 });
    const place = fc.integer({ min: 0, max: 3000 });
    const part = fc.tuple(place, place, side, side).map((numbers) => rectangle(...numbers));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const covered = taken(...parts);
        expect(covered.length).toBeLessThanOrEqual(DAMAGE_MAX);
        for (const { left, top, right, bottom } of parts) {
          const isInside = (whole: Damaged) =>
            left >= whole.left &&
            top >= whole.top &&
            right <= whole.right &&
            bottom <= whole.bottom;
          expect(covered.some(isInside)).toBe(true);
        }
      }),
    );
  });
});
