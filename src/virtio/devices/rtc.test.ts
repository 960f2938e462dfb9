import { beforeEach, describe, expect, it } from "vitest";
import { bit, Feature, InterruptBit } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import {
  RTC_LOOK_MS,
  RtcClock,
  RtcCounter,
  RtcDevice,
  RtcMessage,
  RtcNotification,
  RtcStatus,
} from "./rtc.ts";

const { OK, EOPNOTSUPP, ENODEV, EINVAL } = RtcStatus;
const [UTC, MONOTONIC, SMEARED] = [0, 1, 2];
const MS = 1_000_000n;

/** Clocks that a test moves, and what sleeps by the monotonic one. */
class Host {
  uptimeMs = 5.25;
  offsetMs = 1_700_000_000_000;
  #sleepers = new Set<{ dueMs: number; callback: () => void }>();

  nowMs = () => this.uptimeMs;
  wallClockMs = () => this.offsetMs + this.uptimeMs;
  sleep = (ms: number, callback: () => void) => {
    const sleeper = { dueMs: this.uptimeMs + ms, callback };
    this.#sleepers.add(sleeper);
    return () => void this.#sleepers.delete(sleeper);
  };

  get sleeping(): number {
    return this.#sleepers.size;
  }

  pass(ms: number): void {
    const end = this.uptimeMs + ms;
    for (;;) {
      const [next] = [...this.#sleepers].sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs > end) break;
      this.#sleepers.delete(next);
      this.uptimeMs = next.dueMs;
      next.callback();
    }
    this.uptimeMs = end;
  }
}

describe.each([false, true])("the RTC device, packed rings %s", (packed) => {
  let host: Host;
  let driver: TestDriver;

  beforeEach(() => {
    host = new Host();
    driver = new TestDriver(new RtcDevice("rtc0", host), { packed }).start();
  });

  /** A request of 8-bit values behind the type; the answer's bytes. */
  function ask(type: number, args: readonly number[], room = 24) {
    const [queue] = driver.queues;
    const head = [type & 0xff, type >> 8, 0, 0, 0, 0, 0, 0];
    const request = queue.add([Uint8Array.of(...head, ...args)], room > 0 ? [room] : []);
    queue.kick();
    const [{ id, length }] = queue.poll();
    expect(id).toBe(request.id);
    const bytes = queue.written(request);
    return { status: bytes[0], length, view: new DataView(bytes.buffer) };
  }

  const clockArgs = (clock: number, ...rest: number[]) =>
    [clock, 0, ...rest, 0, 0, 0, 0, 0, 0].slice(0, 8);
  const read = (clock: number) => ask(RtcMessage.READ, clockArgs(clock)).view.getBigUint64(8, true);
  const setAlarm = (clock: number, time: bigint, flags: number) => {
    const bytes = new Uint8Array(BigUint64Array.of(time).buffer);
    return ask(RtcMessage.SET_ALARM, [...bytes, ...clockArgs(clock, flags)]).status;
  };
  const enable = (clock: number, flags: number) =>
    ask(RtcMessage.SET_ALARM_ENABLED, clockArgs(clock, flags)).status;
  const offer = (room = 16) => {
    const request = driver.queues[1].add([], [room]);
    driver.queues[1].kick();
    return request;
  };
  const told = () => driver.queues[1].poll().length;

  it("has three clocks and says what they are", () => {
    const cfg = ask(RtcMessage.CFG, []);
    expect([cfg.status, cfg.length, cfg.view.getUint16(8, true)]).toEqual([OK, 16, 3]);
    const types = [UTC, MONOTONIC, SMEARED].map((clock) =>
      ask(RtcMessage.CLOCK_CAP, clockArgs(clock)),
    );
    expect(types.map(({ view }) => view.getUint8(8))).toEqual([
      RtcClock.UTC_MAYBE_SMEARED,
      RtcClock.MONOTONIC,
      RtcClock.UTC_SMEARED,
    ]);
    expect(types.map(({ view }) => [view.getUint8(9), view.getUint8(10)])).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  it("tells the time in nanoseconds", () => {
    expect(read(UTC)).toBe(1_700_000_000_005n * MS);
    expect(read(MONOTONIC)).toBe(5_250_000n);
    expect(read(SMEARED)).toBe(1_700_000_000_005_250n * 1000n);
    host.pass(2.5);
    expect(read(MONOTONIC)).toBe(7_750_000n);
  });

  it("has a clock that does not step with a leap second", () => {
    host.offsetMs -= 1000;
    const before = read(SMEARED);
    expect(before).toBe(read(UTC) + 1_000_250_000n);
    host.pass(1000);
    expect(read(SMEARED) - before).toBe(999_500_000n);
  });

  it("has no counter to cross its time with", () => {
    for (const counter of [RtcCounter.ARM_VCT, RtcCounter.X86_TSC, RtcCounter.INVALID]) {
      const { status, view } = ask(RtcMessage.CROSS_CAP, clockArgs(UTC, counter));
      expect([status, view.getUint8(8)]).toEqual([OK, 0]);
      expect(ask(RtcMessage.READ_CROSS, clockArgs(UTC, counter)).status).toBe(EOPNOTSUPP);
    }
    expect(ask(RtcMessage.CROSS_CAP, clockArgs(UTC, 2)).status).toBe(EOPNOTSUPP);
  });

  it("refuses what is none of its requests", () => {
    expect(ask(0x1006, clockArgs(0)).status).toBe(EOPNOTSUPP);
    expect(ask(RtcMessage.READ, clockArgs(3)).status).toBe(ENODEV);
    expect(ask(RtcMessage.READ_ALARM, [0, 1, 0, 0, 0, 0, 0, 0]).status).toBe(ENODEV);
    expect(ask(RtcMessage.READ, [0, 0, 0, 0, 0, 0, 0]).status).toBe(EINVAL);
    expect(ask(RtcMessage.READ, [0, 0, 0, 0, 0, 0, 0, 1]).status).toBe(EINVAL);
    expect(ask(RtcMessage.CFG, [1, 2, 3]).status).toBe(OK);
    expect(enable(UTC, 2)).toBe(EINVAL);
    const short = ask(RtcMessage.READ, clockArgs(UTC), 15);
    expect([short.status, short.length]).toEqual([EINVAL, 8]);
    expect(ask(RtcMessage.READ, clockArgs(UTC), 1)).toMatchObject({ status: EINVAL, length: 1 });
    expect(ask(RtcMessage.READ, clockArgs(UTC), 0).length).toBe(0);
  });

  it("has an alarm for each clock", () => {
    const first = offer();
    offer();
    expect(setAlarm(MONOTONIC, 20n * MS, 1)).toBe(OK);
    expect(setAlarm(UTC, 1_700_000_000_030n * MS, 1)).toBe(OK);
    const { view } = ask(RtcMessage.READ_ALARM, clockArgs(MONOTONIC));
    expect([view.getBigUint64(8, true), view.getUint8(16)]).toEqual([20n * MS, 1]);
    host.pass(14);
    expect(told()).toBe(0);
    driver.acknowledge();
    host.pass(1);
    expect(told()).toBe(1);
    expect(driver.acknowledge() & InterruptBit.USED_BUFFER).toBeTruthy();
    const message = new DataView(driver.queues[1].written(first).buffer);
    expect(message.getUint16(0, true)).toBe(RtcNotification.ALARM);
    expect(message.getUint16(8, true)).toBe(MONOTONIC);
    host.pass(10);
    expect(told()).toBe(1);
  });

  it("expires at once if the time is over, and again when it is enabled again", () => {
    for (let i = 0; i < 3; i++) offer();
    setAlarm(UTC, 1n, 0);
    expect([told(), host.sleeping]).toEqual([0, 0]);
    enable(UTC, 1);
    expect(told()).toBe(1);
    enable(UTC, 1);
    expect(told()).toBe(1);
    host.pass(5 * RTC_LOOK_MS);
    expect(told()).toBe(0);
  });

  it("keeps what it has to tell until there is a buffer that it fits into", () => {
    setAlarm(MONOTONIC, 1n, 1);
    offer(15);
    expect(driver.queues[1].poll()).toMatchObject([{ length: 0 }]);
    offer();
    expect(driver.queues[1].poll()).toMatchObject([{ length: 16 }]);
    setAlarm(MONOTONIC, 1n, 1);
    // What is disabled has nothing to tell any more.
    enable(MONOTONIC, 0);
    offer();
    expect(told()).toBe(0);
  });

  it("notices that the host's clock was set", () => {
    for (let i = 0; i < 3; i++) offer();
    setAlarm(UTC, 1_700_000_100_000n * MS, 1);
    host.offsetMs += 100_000;
    host.pass(RTC_LOOK_MS);
    expect(told()).toBe(1);
    host.offsetMs -= 100_000;
    host.pass(2 * RTC_LOOK_MS);
    host.offsetMs += 100_000;
    host.pass(RTC_LOOK_MS);
    expect(told()).toBe(1);
    expect(host.sleeping).toBe(1);
  });

  it("never goes back, whatever the clock of the host that goes on with it", () => {
    const read = () => ask(RtcMessage.READ, clockArgs(MONOTONIC)).view.getBigUint64(8, true);
    const before = read();
    const state = structuredClone(driver.transport.save());
    host.uptimeMs = 1;
    driver.transport.load(state);
    expect(read()).toBe(before);
    host.pass(5);
    expect(read()).toBe(before + 5n * MS);
  });

  it("forgets alarms in a reset, and keeps them in a load", () => {
    setAlarm(MONOTONIC, 50n * MS, 1);
    driver.transport.load(structuredClone(driver.transport.save()));
    offer();
    host.pass(45);
    expect(told()).toBe(1);
    setAlarm(UTC, 2_000_000_000_000n * MS, 1);
    driver.start();
    expect(host.sleeping).toBe(0);
    const { view } = ask(RtcMessage.READ_ALARM, clockArgs(UTC));
    expect([view.getBigUint64(8, true), view.getUint8(16)]).toEqual([0n, 0]);
  });

  it("has no alarms for a driver that did not ask for them", () => {
    driver.start({ accept: bit(Feature.VERSION_1) | (packed ? bit(Feature.RING_PACKED) : 0n) });
    expect(ask(RtcMessage.CLOCK_CAP, clockArgs(UTC)).view.getUint8(10)).toBe(0);
    expect(ask(RtcMessage.READ_ALARM, clockArgs(UTC)).status).toBe(EOPNOTSUPP);
    expect(setAlarm(UTC, 0n, 1)).toBe(EOPNOTSUPP);
  });
});
