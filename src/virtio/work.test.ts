import { describe, expect, it } from "vitest";
import { Bus } from "../bus/bus.ts";
import { GuestMemory } from "../memory/guest-memory.ts";
import { BlockDevice } from "./devices/block.ts";
import { EntropyDevice } from "./devices/entropy.ts";
import { MemoryBlockBackend } from "./devices/memory-block-backend.ts";
import { SLOT_PROFILES, VirtioSlots } from "./slots.ts";
import { Register, Status } from "./spec.ts";
import { header } from "./testing/block-driver.ts";
import { TestDriver } from "./testing/driver.ts";
import { WORK_PER_TURN, Work, WorkBudget } from "./work.ts";

describe("a budget of work", () => {
  it("is spent once a turn, and renewed", () => {
    let spent = 0;
    const work = new WorkBudget(() => spent++, 100);
    work.spend(60);
    expect([work.isSpent, spent]).toEqual([false, 0]);
    work.spend(60);
    work.spend(60);
    expect([work.isSpent, spent]).toEqual([true, 1]);
    work.renew();
    expect(work.isSpent).toBe(false);
    work.spend(100);
    expect(spent).toBe(2);
  });

  it("serves what waits in order, as far as one budget goes, and then the guest with another", () => {
    const served: string[] = [];
    let spent = 0;
    const work = new WorkBudget(() => spent++, 100);
    const flood = () => {
      served.push("flood");
      work.spend(100);
      work.defer(flood);
    };
    const modest = () => void served.push("modest");
    work.spend(100);
    work.defer(flood);
    work.defer(modest);
    work.defer(flood);
    expect(spent).toBe(2);
    work.renew();
    expect(served).toEqual(["flood"]);
    expect([work.isSpent, work.hasWaiting]).toEqual([false, true]);
    work.renew();
    expect(served).toEqual(["flood", "modest", "flood"]);
    expect(spent).toBe(2);
  });
});

const SECTORS = 2048;
const DATA_LENGTH = SECTORS * 512;

describe.each(["split", "packed"] as const)("a flood in %s rings", (layout) => {
  /** A disk whose driver asks for all of it at once, again and again, and entropy beside it. */
  function create() {
    let spent = 0;
    const work = new WorkBudget(() => spent++);
    const backend = new MemoryBlockBackend({ image: new Uint8Array(DATA_LENGTH) });
    const options = { packed: layout === "packed", work };
    const driver = new TestDriver(new BlockDevice("blk0", backend), {
      ...options,
      ramSize: 0x40_0000,
    }).start({ queueSize: 256 });
    const entropy = new EntropyDevice("rng0", { fill: (bytes) => void bytes.fill(1) });
    const beside = new TestDriver(entropy, { ...options, beside: driver }).start();
    const request = driver.allocate(16);
    driver.memory.write(request, header(0));
    const data = driver.allocate(DATA_LENGTH);
    const parts = [
      { gpa: request, length: 16, flags: 0 },
      { gpa: data, length: DATA_LENGTH, flags: 2 },
      { gpa: driver.allocate(1), length: 1, flags: 2 },
    ];
    const flood = (count: number) => {
      for (let i = 0; i < count; i++) driver.queues[0].offerParts(parts);
      driver.queues[0].kick();
    };
    const bytesRead = () => driver.transport.inspect().device.bytesRead;
    return { work, driver, beside, flood, bytesRead, spent: () => spent };
  }

  it("is served a budget at a time, to the end, without another kick", () => {
    const { work, driver, flood, bytesRead, spent } = create();
    flood(64);
    expect(bytesRead()).toBeLessThanOrEqual(WORK_PER_TURN + DATA_LENGTH);
    expect(spent()).toBeGreaterThan(0);
    const done = driver.queues[0].poll().length;
    for (let i = 0; i < 10; i++) driver.queues[0].kick();
    expect(driver.queues[0].poll()).toEqual([]);
    let turns = 0;
    let answered = done;
    for (; work.hasWaiting && turns < 100; turns++) {
      const before = bytesRead();
      work.renew();
      expect(bytesRead() - before).toBeLessThanOrEqual(WORK_PER_TURN + DATA_LENGTH);
      answered += driver.queues[0].poll().length;
    }
    expect(answered).toBe(64);
    expect(turns).toBeGreaterThan(10);
  });

  it("does not keep another device from being served in the next turn", () => {
    const { work, beside, flood } = create();
    flood(64);
    const request = beside.queues[0].add([], [8]);
    beside.queues[0].kick();
    expect(beside.queues[0].poll()).toEqual([]);
    work.renew();
    work.renew();
    expect(beside.queues[0].poll()).toEqual([{ id: request.id, length: 8 }]);
    expect(work.hasWaiting).toBe(true);
  });

  it("ends with a reset of the device", () => {
    const { work, driver, flood, bytesRead } = create();
    flood(64);
    driver.write(Register.Status, 0);
    const before = bytesRead();
    while (work.hasWaiting) work.renew();
    expect(bytesRead()).toBe(before);
    driver.recycle();
    driver.start();
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });
});

describe("a guest that does nothing else", () => {
  it.each([
    ["resets a device", Register.Status, 0, Work.RESET + Work.ACCESS],
    ["kicks a queue", Register.QueueNotify, 0, Work.ACCESS],
    ["writes the configuration", Register.Config, 0, Work.ACCESS],
    ["chooses a queue", Register.QueueSel, 1, Work.ACCESS],
  ])("is interrupted when it %s", (_what, register, value, cost) => {
    const bus = new Bus();
    const ram = [{ base: 0x8000_0000, size: 0x1_0000, offset: 0 }];
    const memory = new GuestMemory({ buffer: new ArrayBuffer(0x1_0000) }, ram);
    const line = { pulse: () => {}, setLevel: () => {} };
    let spent = 0;
    const slots = new VirtioSlots(
      bus,
      memory,
      SLOT_PROFILES.tabvisor,
      () => line,
      () => spent++,
    );
    slots.attach(new EntropyDevice("rng0", { fill: () => {} }));
    const accesses = Math.ceil(WORK_PER_TURN / cost);
    for (let i = 0; i < accesses - 1; i++) slots.write(register, 4, value);
    expect(spent).toBe(0);
    slots.write(register, 4, value);
    expect(spent).toBe(1);
  });
});
