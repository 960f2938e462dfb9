import { beforeEach, expect, it } from "vitest";
import { GoldfishRtc } from "./goldfish-rtc.ts";

let nowMs: number;
let level: boolean;
let rtc: GoldfishRtc;

const get = (register: number) => rtc.read(register, 4);
const set = (register: number, value: number) => rtc.write(register, 4, value);
const time = () => {
  const low = get(0);
  return (BigInt(get(4)) << 32n) | BigInt(low);
};
const setAlarm = (ns: bigint) => {
  set(0x0c, Number(ns >> 32n));
  set(0x08, Number(ns & 0xffff_ffffn));
};

beforeEach(() => {
  nowMs = 1_700_000_000_000;
  level = false;
  rtc = new GoldfishRtc({
    irq: { pulse: () => {}, setLevel: (high) => (level = high) },
    wallClockMs: () => nowMs,
  });
});

it("gives nanoseconds since 1970, and the high half belongs to the low half read before", () => {
  expect(time()).toBe(1_700_000_000_000_000_000n);
  const low = get(0);
  nowMs += 10_000;
  expect((BigInt(get(4)) << 32n) | BigInt(low)).toBe(1_700_000_000_000_000_000n);
});

it("can be set, high half first, and runs on from there", () => {
  const target = 1_000_000_000_000_000_000n;
  set(0x04, Number(target >> 32n));
  set(0x00, Number(target & 0xffff_ffffn));
  nowMs += 5;
  expect(time()).toBe(target + 5_000_000n);
});

it("fires the alarm when it is due and the interrupt is enabled", () => {
  set(0x10, 1);
  setAlarm(BigInt(nowMs + 3) * 1_000_000n);
  expect(get(0x18)).toBe(1);
  expect(rtc.msUntilAlarm()).toBe(3);
  rtc.update();
  expect(level).toBe(false);
  nowMs += 3;
  rtc.update();
  expect(level).toBe(true);
  expect(get(0x18)).toBe(0);
  set(0x1c, 1);
  expect(level).toBe(false);
});

it("fires at once for an alarm in the past", () => {
  set(0x10, 1);
  setAlarm(5n);
  expect(level).toBe(true);
});

it("does not wake the machine for an alarm that is masked or cleared", () => {
  setAlarm(BigInt(nowMs + 3) * 1_000_000n);
  expect(rtc.msUntilAlarm()).toBe(Infinity);
  set(0x10, 1);
  set(0x14, 1);
  nowMs += 10;
  rtc.update();
  expect(level).toBe(false);
  expect(rtc.msUntilAlarm()).toBe(Infinity);
});

it("answers 0 to accesses that are not 4 bytes wide, and resets", () => {
  expect(rtc.read(0, 2)).toBe(0);
  set(0x10, 1);
  setAlarm(5n);
  rtc.reset();
  expect(level).toBe(false);
  expect(get(0x10)).toBe(0);
});

it("is saved with what the guest has set, and shows the time that has passed since", () => {
  const target = 1_000_000_000_000_000_000n;
  set(0x04, Number(target >> 32n));
  set(0x00, Number(target & 0xffff_ffffn));
  set(0x10, 1);
  setAlarm(target + 10_000_000n);
  const state = structuredClone(rtc.save());
  nowMs += 5;
  rtc = new GoldfishRtc({
    irq: { pulse: () => {}, setLevel: (high) => (level = high) },
    wallClockMs: () => nowMs,
  });
  rtc.load(state);
  expect(time()).toBe(target + 5_000_000n);
  expect([get(0x18), rtc.msUntilAlarm()]).toEqual([1, 5]);
  nowMs += 5;
  rtc.update();
  expect(level).toBe(true);
  level = false;
  rtc.load(structuredClone(rtc.save()));
  expect(level).toBe(true);
});
