import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FeatureNegotiation, offeredFeatures } from "./features.ts";
import { bit, bits, Feature } from "./spec.ts";

const has = (set: bigint, feature: number) => (set & bit(feature)) !== 0n;

describe("what is offered", () => {
  it("is the transport's features, and packed rings and order on demand", () => {
    const usual = offeredFeatures(0n);
    for (const feature of ["INDIRECT_DESC", "EVENT_IDX", "VERSION_1", "RING_RESET"] as const) {
      expect(has(usual, Feature[feature]), feature).toBe(true);
    }
    expect([has(usual, Feature.RING_PACKED), has(usual, Feature.IN_ORDER)]).toEqual([false, false]);
    const more = offeredFeatures(0n, [], { packed: true, inOrder: true });
    expect([has(more, Feature.RING_PACKED), has(more, Feature.IN_ORDER)]).toEqual([true, true]);
  });

  it("is without what is withheld, but always with VERSION_1", () => {
    const offered = offeredFeatures(bits(3, 4), [], {
      withhold: [3, Feature.EVENT_IDX, Feature.VERSION_1],
    });
    expect(has(offered, 3) || has(offered, Feature.EVENT_IDX)).toBe(false);
    expect(has(offered, 4) && has(offered, Feature.VERSION_1)).toBe(true);
  });

  it("has nothing that this transport must not offer, whatever a device says", () => {
    const all = (1n << 128n) - 1n;
    for (const feature of [33, 36, 37, 39, 41]) {
      expect(has(offeredFeatures(all), feature), String(feature)).toBe(false);
    }
  });

  it("has no feature without one that it needs, however long the way", () => {
    const dependencies = [
      { feature: 1, anyOf: [2, 3] },
      { feature: 2, anyOf: [4] },
      { feature: 3, anyOf: [4] },
    ];
    const offered = offeredFeatures(bits(1, 2, 3, 4, 5), dependencies, { withhold: [4] });
    expect(offered & bits(1, 2, 3, 4, 5)).toBe(bit(5));
    const partly = offeredFeatures(bits(1, 2, 3, 4), dependencies, { withhold: [2] });
    expect(partly & bits(1, 2, 3, 4)).toBe(bits(1, 3, 4));
  });

  it("can always be accepted as a whole", () => {
    const feature = fc.integer({ min: 0, max: 23 });
    const dependency = fc.record({ feature, anyOf: fc.array(feature, { minLength: 1 }) });
    const choice = fc.record({ withhold: fc.array(feature), packed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(feature), fc.array(dependency), choice, (own, dependencies, choice) => {
        const offered = offeredFeatures(bits(...own), dependencies, choice);
        const negotiation = new FeatureNegotiation(offered, dependencies);
        negotiation.load(offered);
        expect(negotiation.refusal()).toBeUndefined();
      }),
    );
  });
});

describe("feature words", () => {
  it("hold bits 0 to 127", () => {
    const negotiation = new FeatureNegotiation(bits(0, 31, 32, 63, 64, 95, 96, 127));
    const edges = 0x8000_0001;
    const words = [0, 1, 2, 3, 4].map((word) => negotiation.offeredWord(word));
    expect(words).toEqual([edges, edges, edges, edges, 0]);
    for (const word of [0, 1, 2, 3, 4]) negotiation.setDriverWord(word, edges);
    expect(negotiation.driver).toBe(negotiation.offered);
    expect([0, 31, 32, 127].every((feature) => negotiation.has(feature))).toBe(true);
    expect([1, 33, 126].some((feature) => negotiation.has(feature))).toBe(false);
  });
});
