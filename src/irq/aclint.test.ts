import { describe, expect, it } from "vitest";
import { ACLINT_SIZE, Aclint } from "./aclint.ts";
import { AdjustableTimebase } from "./adjustable-timebase.ts";

function create(harts = 2) {
  const clock = { now: 0 };
  const timebase = new AdjustableTimebase({
    ticks: () => clock.now,
    wallClockMs: () => 1_000,
  });
  const software: boolean[] = [];
  const timer: boolean[] = [];
  const aclint = new Aclint({
    harts,
    timebase,
    onSoftware: (hart, high) => {
      software[hart] = high;
    },
    onTimer: (hart, high) => {
      timer[hart] = high;
    },
  });
  return { clock, timebase, software, timer, aclint };
}

describe("ACLINT", () => {
  it("drives the software interrupt of each hart by bit 0 of msip", () => {
    const { aclint, software } = create();
    aclint.write(4, 4, 0xffff_ffff);
    expect(software).toEqual([undefined, true]);
    expect(aclint.read(4, 4)).toBe(1);
    aclint.write(4, 4, 0xffff_fffe);
    expect(software[1]).toBe(false);
    aclint.write(8, 4, 1);
    expect(aclint.read(8, 4)).toBe(0);
  });

  it("raises the timer at mtimecmp and lowers it when mtimecmp is written", () => {
    const { aclint, clock, timer } = create();
    expect(aclint.nextTimerTick(1)).toBe(Number.POSITIVE_INFINITY);
    aclint.write(0x4008, 4, 100);
    aclint.write(0x400c, 4, 0);
    expect(aclint.nextTimerTick(1)).toBe(100);
    clock.now = 99;
    aclint.update();
    expect(timer[1]).toBeUndefined();
    clock.now = 100;
    aclint.update();
    expect(timer[1]).toBe(true);
    aclint.write(0x400c, 4, 1);
    expect(timer[1]).toBe(false);
    expect(aclint.nextTimerTick(1)).toBe(0x1_0000_0064);
    aclint.write(0x400c, 4, 0);
    expect(timer[1]).toBe(true);
  });

  it("fires at once for a time that has passed", () => {
    const { aclint, clock, timer } = create();
    clock.now = 50;
    aclint.write(0x4000, 4, 10);
    aclint.write(0x4004, 4, 0);
    expect(timer[0]).toBe(true);
  });

  it("reads and writes mtime as two halves of the clock that `time` has", () => {
    const { aclint, clock, timebase, timer } = create();
    clock.now = 0x3_0000_0007;
    expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([7, 3]);
    aclint.write(0x4000, 4, 0);
    aclint.write(0x4004, 4, 5);
    aclint.write(0xbffc, 4, 5);
    expect(timebase.ticks()).toBe(0x5_0000_0007);
    expect(timer[0]).toBe(true);
    aclint.write(0xbff8, 4, 0xffff_ffff);
    clock.now += 1;
    expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([0, 6]);
    aclint.write(0xbffc, 4, 0xffff_ffff);
    expect(Number.isSafeInteger(timebase.ticks())).toBe(true);
  });

  it("answers every width anywhere in its window", () => {
    const { aclint } = create();
    let least = 0;
    for (let offset = 0; offset < ACLINT_SIZE; offset++) {
      for (const size of [1, 2, 4] as const) {
        aclint.write(offset, size, 0xffff_ffff);
        least = Math.min(least, aclint.read(offset, size));
      }
    }
    expect(least).toBe(0);
  });

  it("refuses more harts than it has registers", () => {
    expect(() => create(4096)).toThrow(RangeError);
  });

  it("restores its state and resets", () => {
    const before = create();
    before.aclint.write(0, 4, 1);
    before.aclint.write(0x4000, 4, 10);
    before.aclint.write(0x4004, 4, 0);
    const after = create();
    after.clock.now = 20;
    after.aclint.load(structuredClone(before.aclint.save()));
    expect([after.software[0], after.timer[0]]).toEqual([true, true]);
    after.aclint.reset();
    expect([after.software[0], after.timer[0]]).toEqual([false, false]);
  });
});
