import { describe, expect, it } from "vitest";
import { Distributor, SPI_BASE } from "./distributor.ts";
import { PLIC_SIZE, Plic } from "./plic.ts";

const M0 = 0;
const S0 = 1;
const S1 = 3;

const priorityOf = (source: number) => 4 * source;
const enableOf = (context: number, source: number) => 0x2000 + 0x80 * context + 4 * (source >>> 5);
const thresholdOf = (context: number) => 0x20_0000 + 0x1000 * context;
const claimOf = (context: number) => 0x20_0004 + 0x1000 * context;

function create() {
  const wires: boolean[] = [];
  const distributor = new Distributor({
    targets: 4,
    handshake: "complete",
    onWire: (target, high) => {
      wires[target] = high;
    },
  });
  const plic = new Plic(distributor);
  const enable = (context: number, source: number, priority = 1) => {
    plic.write(priorityOf(source), 4, priority);
    const at = enableOf(context, source);
    plic.write(at, 4, plic.read(at, 4) | (1 << (source & 31)));
  };
  const pulse = (source: number) => distributor.pulseSpi(SPI_BASE + source);
  const claim = (context: number) => plic.read(claimOf(context), 4);
  const complete = (context: number, source: number) => plic.write(claimOf(context), 4, source);
  return { plic, distributor, wires, enable, pulse, claim, complete };
}

describe("PLIC", () => {
  it("delivers, claims and completes", () => {
    const { wires, enable, pulse, claim, complete } = create();
    enable(S0, 21);
    pulse(21);
    expect(wires[S0]).toBe(true);
    expect(wires[M0]).toBeUndefined();
    expect(claim(S0)).toBe(21);
    expect(wires[S0]).toBe(false);
    complete(S0, 21);
    expect(claim(S0)).toBe(0);
  });

  it("delivers a pulse that arrives while active once, after completion", () => {
    const { wires, enable, pulse, claim, complete } = create();
    enable(S0, 16);
    pulse(16);
    expect(claim(S0)).toBe(16);
    pulse(16);
    pulse(16);
    expect(wires[S0]).toBe(false);
    expect(claim(S0)).toBe(0);
    complete(S0, 16);
    expect(wires[S0]).toBe(true);
    expect(claim(S0)).toBe(16);
    complete(S0, 16);
    expect(wires[S0]).toBe(false);
    expect(claim(S0)).toBe(0);
  });

  it("keeps a pulse pending while masked by priority 0 or by the enable bit", () => {
    const { plic, wires, enable, pulse, claim } = create();
    enable(S0, 5, 0);
    pulse(5);
    expect(wires[S0]).toBeUndefined();
    expect(plic.read(0x1000, 4)).toBe(1 << 5);
    plic.write(priorityOf(5), 4, 1);
    expect(wires[S0]).toBe(true);
    expect(claim(S0)).toBe(5);
    pulse(40);
    plic.write(priorityOf(40), 4, 1);
    expect(wires[S0]).toBe(false);
    enable(S0, 40);
    expect(wires[S0]).toBe(true);
  });

  it("prefers the greater priority, then the lower source", () => {
    const { enable, pulse, claim } = create();
    enable(S0, 9, 2);
    enable(S0, 33, 7);
    enable(S0, 8, 2);
    for (const source of [9, 33, 8]) pulse(source);
    expect([claim(S0), claim(S0), claim(S0), claim(S0)]).toEqual([33, 8, 9, 0]);
  });

  it("lets the threshold mask the wire but not the claim", () => {
    const { plic, wires, enable, pulse, claim } = create();
    plic.write(thresholdOf(S0), 4, 7);
    enable(S0, 10, 7);
    pulse(10);
    expect(wires[S0]).toBeUndefined();
    plic.write(thresholdOf(S0), 4, 6);
    expect(wires[S0]).toBe(true);
    plic.write(thresholdOf(S0), 4, 7);
    expect(claim(S0)).toBe(10);
  });

  it("ignores the completion of a source that is not enabled or does not exist", () => {
    const { plic, enable, pulse, claim, complete } = create();
    enable(S0, 10);
    pulse(10);
    claim(S0);
    plic.write(enableOf(S0, 10), 4, 0);
    complete(S0, 10);
    complete(S0, 0);
    complete(S0, 0xffff_ffff);
    pulse(10);
    enable(S0, 10);
    expect(claim(S0)).toBe(0);
    complete(S0, 10);
    expect(claim(S0)).toBe(10);
  });

  it("gives a source enabled for two harts to the first claimer", () => {
    const { wires, enable, pulse, claim } = create();
    enable(S0, 10);
    enable(S1, 10);
    pulse(10);
    expect([wires[S0], wires[S1]]).toEqual([true, true]);
    expect([claim(S1), claim(S0)]).toEqual([10, 0]);
    expect([wires[S0], wires[S1]]).toEqual([false, false]);
  });

  it("asks again after completion while a level stays high", () => {
    const { distributor, wires, enable, claim, complete } = create();
    distributor.configure(SPI_BASE + 10, "level");
    enable(S0, 10);
    distributor.setSpiLevel(SPI_BASE + 10, true);
    expect(claim(S0)).toBe(10);
    expect(wires[S0]).toBe(false);
    complete(S0, 10);
    expect(wires[S0]).toBe(true);
    expect(claim(S0)).toBe(10);
    distributor.setSpiLevel(SPI_BASE + 10, false);
    complete(S0, 10);
    expect(claim(S0)).toBe(0);
  });

  it("keeps source 0, sources past ndev and contexts past the last at 0", () => {
    const { plic } = create();
    plic.write(enableOf(S0, 0), 4, 0xffff_ffff);
    expect(plic.read(enableOf(S0, 0), 4)).toBe(0xffff_fffe);
    for (const offset of [priorityOf(0), priorityOf(96), enableOf(S0, 96), enableOf(4, 1)]) {
      plic.write(offset, 4, 7);
      expect(plic.read(offset, 4)).toBe(0);
    }
    plic.write(thresholdOf(4), 4, 7);
    expect(plic.read(thresholdOf(4), 4)).toBe(0);
    plic.write(priorityOf(3), 4, 0xffff_ffff);
    expect(plic.read(priorityOf(3), 4)).toBe(7);
  });

  it("peeks at the claim register without claiming", () => {
    const { plic, wires, enable, pulse } = create();
    enable(S0, 10);
    pulse(10);
    expect(plic.peek(claimOf(S0), 4)).toBe(10);
    expect(wires[S0]).toBe(true);
  });

  it("answers every width anywhere in its window", () => {
    const { plic } = create();
    let least = 0;
    for (let offset = 0; offset < PLIC_SIZE; offset += 0x3fd) {
      for (const size of [1, 2, 4] as const) {
        plic.write(offset, size, 0xffff_ffff);
        least = Math.min(least, plic.read(offset, size));
      }
    }
    expect(least).toBe(0);
  });

  it("restores pending and active sources and drives the wires anew", () => {
    const before = create();
    before.enable(S0, 10);
    before.enable(S0, 11);
    before.pulse(10);
    before.claim(S0);
    before.pulse(10);
    before.pulse(11);
    const after = create();
    after.distributor.load(structuredClone(before.distributor.save()));
    expect(after.wires[S0]).toBe(true);
    expect(after.claim(S0)).toBe(11);
    expect(after.claim(S0)).toBe(0);
    after.complete(S0, 10);
    expect(after.claim(S0)).toBe(10);
  });
});
