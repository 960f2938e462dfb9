import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Distributor, SPI_BASE, SPI_COUNT } from "./distributor.ts";
import type { IrqObserver } from "./observer.ts";

const INTID = SPI_BASE + 20;

function create(handshake: "complete" | "claim" = "complete") {
  const wires: boolean[] = [false];
  const distributor = new Distributor({
    targets: 1,
    handshake,
    onWire: (target, high) => {
      expect(wires[target]).not.toBe(high);
      wires[target] = high;
    },
  });
  for (let source = 1; source <= SPI_COUNT; source++) {
    distributor.setPriority(SPI_BASE + source, 1);
    distributor.setEnabled(0, SPI_BASE + source, true);
  }
  return { distributor, wires };
}

describe("Distributor", () => {
  it("gives lines for shared peripheral interrupts only", () => {
    const { distributor, wires } = create();
    for (const intid of [0, SPI_BASE, SPI_BASE + SPI_COUNT + 1, 40.5]) {
      expect(() => distributor.line(intid)).toThrow(RangeError);
    }
    distributor.line(SPI_BASE + SPI_COUNT).pulse();
    expect(wires[0]).toBe(true);
    expect(distributor.claim(0)).toBe(SPI_BASE + SPI_COUNT);
  });

  it("tells whoever watches of edges, claims and completions that count", () => {
    const { distributor } = create();
    const log: string[] = [];
    const observer: IrqObserver = {
      pulsed: (intid) => log.push(`pulsed ${intid}`),
      claimed: (target, intid) => log.push(`${target} claimed ${intid}`),
      completed: (target, intid) => log.push(`${target} completed ${intid}`),
    };
    distributor.observers = [{}, observer];
    distributor.complete(0, INTID);
    distributor.claim(0);
    distributor.line(INTID).pulse();
    distributor.claim(0);
    distributor.complete(0, INTID);
    distributor.line(INTID + 1).setLevel(true);
    distributor.line(INTID + 1).setLevel(true);
    distributor.line(INTID + 1).setLevel(false);
    expect(log).toEqual([
      `pulsed ${INTID}`,
      `0 claimed ${INTID}`,
      `0 completed ${INTID}`,
      `pulsed ${INTID + 1}`,
    ]);
  });

  it("takes a rising level of an edge source as one edge", () => {
    const { distributor } = create();
    const line = distributor.line(INTID);
    line.setLevel(true);
    line.setLevel(true);
    expect(distributor.claim(0)).toBe(INTID);
    distributor.complete(0, INTID);
    expect(distributor.claim(0)).toBe(0);
    line.setLevel(false);
    line.setLevel(true);
    expect(distributor.claim(0)).toBe(INTID);
  });

  it("keeps the request of a level that fell before the claim", () => {
    const { distributor } = create();
    distributor.configure(INTID, "level");
    distributor.pulseSpi(INTID);
    expect(distributor.claim(0)).toBe(INTID);
    distributor.complete(0, INTID);
    expect(distributor.claim(0)).toBe(0);
  });

  it("counts pulses and claims and shows only what is in use", () => {
    const { distributor } = create();
    distributor.reset();
    expect(distributor.inspect()).toEqual([]);
    distributor.pulseSpi(INTID);
    expect(distributor.inspect()).toMatchObject([{ intid: INTID, pending: true, pulses: 1 }]);
  });

  it("keeps a level through a reset, and forgets a latched edge", () => {
    const { distributor, wires } = create();
    distributor.configure(INTID, "level");
    distributor.setSpiLevel(INTID, true);
    distributor.pulseSpi(INTID + 1);
    distributor.reset();
    expect(wires[0]).toBe(false);
    distributor.setPriority(INTID, 1);
    distributor.setEnabled(0, INTID, true);
    distributor.setEnabled(0, INTID + 1, true);
    distributor.setPriority(INTID + 1, 1);
    expect(distributor.claim(0)).toBe(INTID);
    expect(distributor.claim(0)).toBe(0);
  });

  it("delivers every edge at least once and never more often than pulsed", () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant("pulse" as const), source: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ op: fc.constant("serve" as const), source: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, nested) => {
        const { distributor, wires } = create();
        const owed = new Map<number, number>();
        const active: number[] = [];
        const serve = () => {
          const intid = distributor.claim(0);
          if (intid === 0) return;
          expect(owed.get(intid)).toBeGreaterThan(0);
          owed.set(intid, 0);
          active.push(intid);
        };
        for (const { op, source } of steps) {
          const intid = SPI_BASE + source;
          if (op === "pulse") {
            distributor.pulseSpi(intid);
            owed.set(intid, (owed.get(intid) ?? 0) + 1);
          } else {
            serve();
            if (!nested) for (const done of active.splice(0)) distributor.complete(0, done);
          }
        }
        for (const done of active.splice(0)) distributor.complete(0, done);
        while (wires[0]) {
          serve();
          for (const done of active.splice(0)) distributor.complete(0, done);
        }
        for (const left of owed.values()) expect(left).toBe(0);
      }),
    );
  });
});
