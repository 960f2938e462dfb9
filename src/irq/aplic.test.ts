import { describe, expect, it } from "vitest";
import { APLIC_SIZE, Aplic } from "./aplic.ts";
import { Distributor, SPI_BASE } from "./distributor.ts";
import { Plic } from "./plic.ts";

const EDGE1 = 4;
const EDGE0 = 5;
const LEVEL1 = 6;
const LEVEL0 = 7;
const DETACHED = 1;

const sourcecfg = (source: number) => 4 * source;
const target = (source: number) => 0x3000 + 4 * source;
const idc = (hart: number, register: number) => 0x4000 + 32 * hart + register;
const SETIE = 0x1e00;
const SETIENUM = 0x1edc;
const CLRIENUM = 0x1fdc;

function create() {
  const wires: boolean[] = [];
  const distributor = new Distributor({
    targets: 2,
    handshake: "claim",
    onWire: (hart, high) => {
      wires[hart] = high;
    },
  });
  const aplic = new Aplic(distributor);
  const write = (offset: number, value: number) => aplic.write(offset, 4, value);
  const read = (offset: number) => aplic.read(offset, 4);
  const on = () => {
    write(0, 0x100);
    write(idc(0, 0), 1);
    write(idc(1, 0), 1);
  };
  const enable = (source: number, mode = EDGE1, priority = 1, hart = 0) => {
    write(sourcecfg(source), mode);
    write(target(source), (hart << 18) | priority);
    write(SETIENUM, source);
  };
  const pulse = (source: number) => distributor.pulseSpi(SPI_BASE + source);
  const level = (source: number, high: boolean) => distributor.setSpiLevel(SPI_BASE + source, high);
  const claim = (hart = 0) => read(idc(hart, 0x1c));
  return { aplic, distributor, wires, write, read, on, enable, pulse, level, claim };
}

describe("APLIC", () => {
  it("delivers edges, highest priority number last", () => {
    const { wires, on, enable, pulse, claim, read } = create();
    on();
    enable(16, EDGE1, 5);
    enable(17, EDGE1, 2);
    enable(18, EDGE1, 2);
    for (const source of [16, 18, 17]) pulse(source);
    expect(wires[0]).toBe(true);
    expect(read(idc(0, 0x18))).toBe((17 << 16) | 2);
    expect([claim(), claim(), claim(), claim()]).toEqual([
      (17 << 16) | 2,
      (18 << 16) | 2,
      (16 << 16) | 5,
      0,
    ]);
    expect(wires[0]).toBe(false);
  });

  it("latches an edge that arrives during service", () => {
    const { wires, on, enable, pulse, claim } = create();
    on();
    enable(16);
    pulse(16);
    claim();
    pulse(16);
    expect(wires[0]).toBe(true);
    expect(claim()).toBe((16 << 16) | 1);
    expect(claim()).toBe(0);
  });

  it("needs the domain, the delivery and a priority below the threshold", () => {
    const { wires, write, enable, pulse, claim } = create();
    enable(16, EDGE1, 3);
    pulse(16);
    expect(wires[0]).toBeUndefined();
    write(0, 0x100);
    expect(wires[0]).toBeUndefined();
    write(idc(0, 0), 1);
    expect(wires[0]).toBe(true);
    write(idc(0, 8), 3);
    expect(wires[0]).toBe(false);
    expect(claim()).toBe(0);
    write(idc(0, 8), 4);
    expect(wires[0]).toBe(true);
    write(0, 0);
    expect(wires[0]).toBe(false);
  });

  it("keeps a level source pending exactly while its wire says so", () => {
    const { wires, on, enable, level, claim, read, write } = create();
    on();
    enable(10, LEVEL1);
    level(10, true);
    expect(claim()).toBe((10 << 16) | 1);
    expect(wires[0]).toBe(true);
    write(0x1ddc, 10);
    expect(read(0x1c00)).toBe(1 << 10);
    expect(read(0x1d00)).toBe(1 << 10);
    level(10, false);
    expect([wires[0], claim()]).toEqual([false, 0]);
    write(0x1cdc, 10);
    expect(claim()).toBe(0);
  });

  it("inverts level0 and edge0", () => {
    const { on, enable, level, pulse, claim, write } = create();
    on();
    enable(10, LEVEL0);
    expect(claim()).toBe((10 << 16) | 1);
    level(10, true);
    expect(claim()).toBe(0);
    write(sourcecfg(10), 0);
    enable(11, EDGE0);
    pulse(11);
    expect(claim()).toBe((11 << 16) | 1);
  });

  it("sets and clears pending bits by word, by number and in either byte order", () => {
    const { on, enable, claim, write, read, pulse } = create();
    on();
    enable(40, DETACHED);
    pulse(40);
    expect(claim()).toBe(0);
    for (const [offset, value] of [
      [0x1c04, 1 << 8],
      [0x1cdc, 40],
      [0x2000, 40],
      [0x2004, 40 * 0x100_0000],
    ]) {
      write(offset, value);
      expect(claim()).toBe((40 << 16) | 1);
    }
    write(0x1cdc, 40);
    write(0x1d04, 1 << 8);
    expect(read(0x1c04)).toBe(0);
    write(0x1cdc, 40);
    write(0x1ddc, 40);
    expect(claim()).toBe(0);
  });

  it("enables by word and by number, and clrie reads 0", () => {
    const { enable, write, read } = create();
    for (const source of [1, 33, 95]) enable(source);
    expect([read(SETIE), read(SETIE + 4), read(SETIE + 8)]).toEqual([2, 2, 0x8000_0000]);
    write(0x1f04, 2);
    write(CLRIENUM, 1);
    expect([read(SETIE), read(SETIE + 4)]).toEqual([0, 0]);
    write(SETIE, 0xffff_ffff);
    expect(read(SETIE)).toBe(2);
    expect(read(0x1f00)).toBe(0);
  });

  it("gives a source that becomes inactive nothing back", () => {
    const { enable, write, read, pulse, on } = create();
    on();
    enable(5, EDGE1, 9);
    pulse(5);
    write(sourcecfg(5), 0);
    expect([read(0x1c00), read(SETIE), read(target(5)), read(sourcecfg(5))]).toEqual([0, 0, 0, 0]);
    write(target(5), 7);
    write(SETIENUM, 5);
    write(0x1cdc, 5);
    expect([read(0x1c00), read(SETIE), read(target(5))]).toEqual([0, 0, 0]);
    write(sourcecfg(5), EDGE1);
    expect([read(0x1c00), read(SETIE), read(target(5))]).toEqual([0, 0, 1]);
    write(sourcecfg(5), 2);
    expect(read(sourcecfg(5))).toBe(0);
    write(sourcecfg(5), 0x400 | 1);
    expect(read(sourcecfg(5))).toBe(0);
  });

  it("takes a level that is already high when the source becomes active", () => {
    const { on, enable, level, claim } = create();
    on();
    level(10, true);
    enable(10, LEVEL1);
    expect(claim()).toBe((10 << 16) | 1);
  });

  it("targets one hart, priority 0 being 1, and no hart that does not exist", () => {
    const { wires, on, enable, pulse, write, read } = create();
    on();
    enable(16, EDGE1, 0, 1);
    expect(read(target(16))).toBe((1 << 18) | 1);
    pulse(16);
    expect(wires).toEqual([undefined, true]);
    write(target(16), 0);
    expect(wires).toEqual([true, false]);
    write(target(16), (5 << 18) | 3);
    expect(read(target(16))).toBe(3);
  });

  it("forces an interrupt until a claim of nothing", () => {
    const { wires, on, write, claim, read } = create();
    on();
    write(idc(0, 4), 1);
    expect(wires[0]).toBe(true);
    expect(claim()).toBe(0);
    expect([wires[0], read(idc(0, 4))]).toEqual([false, 0]);
  });

  it("reads domaincfg back as written", () => {
    const { write, read } = create();
    expect(read(0)).toBe(0x8000_0000);
    write(0, 0xffff_ffff);
    expect(read(0)).toBe(0x8000_0100);
  });

  it("peeks at claimi without claiming", () => {
    const { aplic, on, enable, pulse, claim } = create();
    on();
    enable(16);
    pulse(16);
    expect(aplic.peek(idc(0, 0x1c), 4)).toBe((16 << 16) | 1);
    expect(claim()).toBe((16 << 16) | 1);
  });

  it("answers every width anywhere in its window", () => {
    const { aplic } = create();
    let least = 0;
    for (let offset = 0; offset < APLIC_SIZE; offset++) {
      for (const size of [1, 2, 4] as const) {
        aplic.write(offset, size, 0xffff_ffff);
        least = Math.min(least, aplic.read(offset, size));
      }
    }
    expect(least).toBe(0);
  });

  it("restores its registers beside the distributor's state", () => {
    const before = create();
    before.on();
    before.enable(16, EDGE1, 3, 1);
    before.pulse(16);
    const after = create();
    after.aplic.load(structuredClone(before.aplic.save()));
    after.distributor.load(structuredClone(before.distributor.save()));
    expect(after.wires[1]).toBe(true);
    expect(after.read(target(16))).toBe((1 << 18) | 3);
    expect(after.claim(1)).toBe((16 << 16) | 3);
  });

  it("gives the same interrupts as the PLIC for the same pulses", () => {
    const a = create();
    a.on();
    a.enable(16);
    const d = new Distributor({ targets: 2, handshake: "complete", onWire: () => {} });
    const plic = new Plic(d);
    plic.write(4 * 16, 4, 1);
    plic.write(0x2080, 4, 1 << 16);
    const counts = [0, 0];
    for (const step of "pcpppccpc") {
      if (step === "p") {
        a.pulse(16);
        d.pulseSpi(SPI_BASE + 16);
        continue;
      }
      if (a.claim() !== 0) counts[0]++;
      const source = plic.read(0x20_1004, 4);
      if (source !== 0) counts[1]++;
      plic.write(0x20_1004, 4, source);
    }
    expect(counts).toEqual([3, 3]);
  });
});
