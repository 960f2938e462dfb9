import { describe, expect, it } from "vitest";
import { Bus, type MmioHandler } from "./bus.ts";

function handler(name: string): MmioHandler {
  return { name, read: () => 0, write: () => {} };
}

describe("Bus", () => {
  it("finds the region that wholly contains an access", () => {
    const bus = new Bus();
    const [a, b] = [handler("a"), handler("b")];
    bus.attach(0x2000, 0x100, b);
    bus.attach(0x1000, 0x100, a);
    expect(bus.regions.map((region) => region.handler)).toEqual([a, b]);
    expect(bus.find(0x1000, 1)?.handler).toBe(a);
    expect(bus.find(0x10fc, 4)?.handler).toBe(a);
    expect(bus.find(0x2000, 4)?.handler).toBe(b);
    expect(bus.find(0x10fe, 4)).toBeUndefined();
    expect(bus.find(0x0fff, 1)).toBeUndefined();
    expect(bus.find(0x1100, 1)).toBeUndefined();
    expect(bus.find(0x0fff, 4)).toBeUndefined();
  });

  it("finds neighbours after one another", () => {
    const bus = new Bus();
    const [a, b] = [handler("a"), handler("b")];
    bus.attach(0x1000, 0x100, a);
    bus.attach(0x1100, 0x100, b);
    for (let i = 0; i < 2; i++) {
      expect(bus.find(0x10fc, 4)?.handler).toBe(a);
      expect(bus.find(0x1100, 4)?.handler).toBe(b);
      expect(bus.find(0x10fe, 4)).toBeUndefined();
    }
  });

  it("refuses overlapping regions and names both", () => {
    const bus = new Bus();
    bus.attach(0x1000, 0x100, handler("first"));
    for (const [base, size] of [
      [0x1000, 1],
      [0x0fff, 2],
      [0x10ff, 0x100],
      [0x0, 0x10000],
    ]) {
      expect(() => bus.attach(base, size, handler("second"))).toThrow(/second.*overlaps first/);
    }
    bus.attach(0x0f00, 0x100, handler("before"));
    bus.attach(0x1100, 0x100, handler("after"));
  });

  it("forgets a detached region at once, and only that one", () => {
    const bus = new Bus();
    const [a, b] = [handler("a"), handler("b")];
    const detach = bus.attach(0x1000, 0x100, a);
    expect(bus.find(0x1000, 4)?.handler).toBe(a);
    detach();
    expect(bus.find(0x1000, 4)).toBeUndefined();
    bus.attach(0x1000, 0x100, b);
    detach();
    expect(bus.find(0x1000, 4)?.handler).toBe(b);
  });
});
