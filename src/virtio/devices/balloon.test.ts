import { describe, expect, it } from "vitest";
import { bit, bits, Feature, InterruptBit, Status } from "../spec.ts";
import { RAM_BASE, TestDriver } from "../testing/driver.ts";
import type { DriverQueue } from "../testing/driver-queue.ts";
import {
  BALLOON_CLEAR_MAX,
  BALLOON_PAGES_MAX,
  BalloonDevice,
  BalloonFeature,
  BalloonQueue,
  HintCommand,
} from "./balloon.ts";
import { BALLOON_STATISTICS_MAX } from "./balloon-statistics.ts";

const PAGE = 4096;
const FIRST = RAM_BASE / PAGE;

const NUM_PAGES = 0;
const ACTUAL = 4;
const COMMAND = 8;
const POISON = 12;

function create(options: { packed?: boolean; accept?: bigint; ramSize?: number } = {}) {
  const device = new BalloonDevice("balloon0");
  const { packed = false, ramSize = 0x40_0000 } = options;
  const driver = new TestDriver(device, { packed, ramSize });
  driver.start(options.accept === undefined ? {} : { accept: options.accept });
  return { device, driver, ...actions(device, driver) };
}

function actions(device: BalloonDevice, driver: TestDriver) {
  const submit = (queue: DriverQueue, readable: Uint8Array[], writable: number[] = []) => {
    const request = queue.add(readable, writable);
    queue.kick();
    return request;
  };
  const pages = (index: number, numbers: readonly number[]) => {
    const queue = driver.queues[index];
    submit(queue, [words(numbers)]);
    expect(queue.poll().map(({ length }) => length)).toEqual([0]);
  };
  return {
    submit,
    inflate: (...numbers: number[]) => pages(BalloonQueue.INFLATE, numbers),
    deflate: (...numbers: number[]) => pages(BalloonQueue.DEFLATE, numbers),
    held: () => device.heldBytes / PAGE,
  };
}

const words = (values: readonly number[]) => new Uint8Array(Uint32Array.from(values).buffer);

function statistic(tag: number, value: bigint): number[] {
  const bytes = new DataView(new ArrayBuffer(10));
  bytes.setUint16(0, tag, true);
  bytes.setBigUint64(2, value, true);
  return [...new Uint8Array(bytes.buffer)];
}

describe.each([false, true])("balloon, packed rings %s", (packed) => {
  it("clears the pages that it gets and counts them", () => {
    const { driver, inflate, deflate, held } = create({ packed });
    const page = RAM_BASE + 300 * PAGE;
    driver.memory.write(page, new Uint8Array(2 * PAGE).fill(7));
    driver.announced.length = 0;
    inflate(FIRST + 300);
    expect(driver.bytesAt(page, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(driver.bytesAt(page + PAGE, PAGE).every((byte) => byte === 7)).toBe(true);
    expect(driver.announced).toContainEqual([page, PAGE]);
    expect(held()).toBe(1);
    deflate(FIRST + 300);
    expect(held()).toBe(0);
  });

  it("clears what the guest reports as free", () => {
    const { driver, submit } = create({ packed, accept: ~bit(BalloonFeature.PAGE_POISON) });
    const queue = driver.queues[BalloonQueue.REPORTING];
    const request = queue.add([], [3 * PAGE, 100]);
    for (const { gpa, length } of request.writable) {
      driver.memory.write(gpa, new Uint8Array(length).fill(9));
    }
    queue.kick();
    expect(queue.written(request).every((byte) => byte === 0)).toBe(true);
    expect(queue.poll()[0].length).toBe(0);
    submit(queue, [words([1])]);
    expect(queue.poll()[0].length).toBe(0);
    expect(driver.guardsIntact()).toBe(true);
  });

  it("gets statistics whenever it asks", () => {
    const { device, driver, submit } = create({ packed });
    const queue = driver.queues[BalloonQueue.STATISTICS];
    submit(queue, [Uint8Array.from([...statistic(4, 5n), ...statistic(0x7777, 1n)])]);
    expect(queue.poll()).toEqual([]);
    expect(device.statistics).toEqual({ freeBytes: 5 });
    device.requestStatistics();
    device.requestStatistics();
    expect(queue.poll()).toHaveLength(1);
    submit(queue, [Uint8Array.from([...statistic(6, 7n), ...statistic(4, 6n), 1, 2, 3])]);
    expect(device.statistics).toEqual({ availableBytes: 7, freeBytes: 6 });
  });
});

describe("balloon", () => {
  it("offers everything that there is", () => {
    const { driver } = create();
    const all = bits(...Object.values(BalloonFeature));
    expect(driver.offered() & 0xff_ffffn).toBe(all);
    expect(all).toBe(0x3fn);
  });

  it("tells the driver its target", () => {
    const { device, driver } = create();
    driver.acknowledge();
    device.target = 10 * PAGE + 1;
    expect(driver.config(NUM_PAGES, 4)).toBe(10);
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    expect(device.target).toBe(10 * PAGE);
    device.target = -1;
    expect(driver.config(NUM_PAGES, 4)).toBe(0);
    device.target = 2 ** 60;
    expect(driver.config(NUM_PAGES, 4)).toBe(0xffff_ffff);
  });

  it("takes `actual` and `poison_val` in any width, and nothing else", () => {
    const { device, driver } = create();
    driver.writeConfig(ACTUAL, 4, 0x0102_0304);
    expect(device.counters().actualPages).toBe(0x0102_0304);
    for (const [i, byte] of [0xef, 0xbe, 0xad, 0xde].entries())
      driver.writeConfig(ACTUAL + i, 1, byte);
    expect(device.counters().actualPages).toBe(0xdead_beef);
    driver.writeConfig(POISON + 2, 2, 0xaaaa);
    expect(driver.config(POISON, 4)).toBe(0xaaaa_0000);
    driver.writeConfig(NUM_PAGES, 4, 99);
    driver.writeConfig(COMMAND, 4, 99);
    expect([driver.config(NUM_PAGES, 4), driver.config(COMMAND, 4)]).toEqual([0, 0]);
  });

  it("counts a page once, and none that is not RAM or was not given", () => {
    const { device, driver, inflate, deflate, held } = create();
    const last = FIRST + 0x3ff;
    inflate(last, last, FIRST - 1, last + 1, 0, 0xffff_ffff);
    deflate(FIRST + 1, last, last);
    expect(held()).toBe(0);
    expect(device.counters()).toMatchObject({
      inflatedPages: 1,
      deflatedPages: 1,
      ignoredPages: 7,
    });
    expect(driver.guardsIntact()).toBe(true);
  });

  it("ignores half a page number and buffers of the wrong direction", () => {
    const { driver, submit, held } = create();
    const queue = driver.queues[BalloonQueue.INFLATE];
    submit(queue, [Uint8Array.of(1, 2, 3)]);
    submit(queue, [], [8]);
    expect(queue.poll().map(({ length }) => length)).toEqual([0, 0]);
    expect(held()).toBe(0);
  });

  it("looks at so many pages of a request", () => {
    const { inflate, held } = create({ ramSize: 0x100_0000 });
    const numbers = Array.from({ length: BALLOON_PAGES_MAX + 1 }, (_, i) => FIRST + 100 + i);
    inflate(...numbers);
    expect(held()).toBe(BALLOON_PAGES_MAX);
  });

  it("clears so many bytes at a kick, and completes what is beyond", () => {
    const half = BALLOON_CLEAR_MAX / 2;
    const device = new BalloonDevice("balloon0");
    const driver = new TestDriver(device, { ramSize: half + 0x10_0000 }).start({
      accept: ~bit(BalloonFeature.PAGE_POISON),
    });
    const queue = driver.splitQueues[BalloonQueue.REPORTING];
    const page = RAM_BASE + 0x8_0000;
    const large = { address: RAM_BASE + 0x10_0000, length: half };
    queue.setDescriptor(0, { ...large, flags: 3, next: 1 });
    queue.setDescriptor(1, { ...large, flags: 3, next: 2 });
    queue.setDescriptor(2, { address: page, length: PAGE, flags: 2 });
    driver.memory.writeU8(page, 1);
    queue.offer(0);
    queue.kick();
    expect(queue.poll()[0].length).toBe(0);
    expect(driver.memory.readU8(page)).toBe(1);
    queue.offer(2);
    queue.kick();
    expect(driver.memory.readU8(page)).toBe(0);
    expect(device.counters().reportedBytes).toBe(2 * half + 2 * PAGE);
  });

  it("leaves reported pages alone when the driver relies on their poison", () => {
    const { device, driver } = create();
    driver.writeConfig(POISON, 4, 0xaaaa_aaaa);
    const queue = driver.queues[BalloonQueue.REPORTING];
    const request = queue.add([], [PAGE]);
    driver.memory.write(request.writable[0].gpa, new Uint8Array(PAGE).fill(0xaa));
    queue.kick();
    expect(queue.written(request).every((byte) => byte === 0xaa)).toBe(true);
    expect(device.counters().reportedBytes).toBe(PAGE);
  });

  it("reads so many statistics, and keeps one buffer", () => {
    const { device, driver, submit } = create();
    const queue = driver.queues[BalloonQueue.STATISTICS];
    const many = Array.from({ length: BALLOON_STATISTICS_MAX }, () => statistic(99, 1n));
    submit(queue, [Uint8Array.from([...many.flat(), ...statistic(4, 1n)])]);
    expect(device.statistics).toEqual({});
    submit(queue, [], [20]);
    expect(queue.poll()).toHaveLength(1);
    device.requestStatistics();
    expect(queue.poll()).toHaveLength(1);
  });

  it("collects hints of free pages", () => {
    const { device, driver, submit } = create();
    const queue = driver.queues[BalloonQueue.FREE_PAGE];
    driver.acknowledge();
    device.requestHints();
    const command = driver.config(COMMAND, 4);
    expect(command).toBe(HintCommand.FIRST);
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    submit(queue, [], [PAGE]);
    expect(device.counters().hintedBytes).toBe(0);
    submit(queue, [words([command + 1])]);
    submit(queue, [], [PAGE]);
    expect(device.counters().hintedBytes).toBe(0);
    submit(queue, [words([command])]);
    const page = submit(queue, [], [2 * PAGE]);
    expect(device.counters().hintedBytes).toBe(2 * PAGE);
    expect(page.writable[0].length).toBe(2 * PAGE);
    submit(queue, [words([HintCommand.STOP])]);
    expect(driver.config(COMMAND, 4)).toBe(HintCommand.DONE);
    expect(queue.poll()).toHaveLength(6);
    device.requestHints();
    expect(driver.config(COMMAND, 4)).toBe(command + 1);
    expect(device.counters().hintedBytes).toBe(0);
  });

  it("finds the queues of a driver that moves them up", () => {
    const features = bits(
      Feature.VERSION_1,
      BalloonFeature.STATS_VQ,
      BalloonFeature.PAGE_REPORTING,
    );
    for (const index of [3, 4]) {
      const device = new BalloonDevice("balloon0");
      const driver = new TestDriver(device, { ramSize: 0x10_0000 });
      driver.negotiate(features);
      const queues = [0, 1, 2, index].map((i) => driver.setupQueue(i, 16));
      driver.addStatus(Status.DRIVER_OK);
      queues[3].add([], [PAGE]);
      queues[3].kick();
      expect(device.counters().reportedBytes).toBe(PAGE);
    }
  });

  it("holds nothing after a reset, and keeps its target", () => {
    const { device, driver, inflate, held } = create();
    device.target = PAGE;
    inflate(FIRST + 500);
    driver.writeConfig(ACTUAL, 4, 1);
    driver.start();
    expect([held(), driver.config(ACTUAL, 4), driver.config(NUM_PAGES, 4)]).toEqual([0, 0, 1]);
  });

  it("is saved and loaded", () => {
    const { device, driver, inflate, submit } = create();
    inflate(FIRST + 500, FIRST + 501);
    driver.writeConfig(ACTUAL, 4, 2);
    submit(driver.queues[BalloonQueue.STATISTICS], [Uint8Array.from(statistic(4, 5n))]);
    device.target = 3 * PAGE;
    const state = structuredClone(driver.transport.save());
    driver.transport.reset();
    device.target = 0;
    driver.transport.load(state);
    expect(device.counters()).toMatchObject({ heldPages: 2, actualPages: 2, freeBytes: 5 });
    expect(device.target).toBe(3 * PAGE);
    device.requestStatistics();
    expect(driver.queues[BalloonQueue.STATISTICS].poll()).toHaveLength(1);
  });
});
