import { describe, expect, it } from "vitest";
import { DescriptorFlag, Status } from "./spec.ts";
import { RAM_BASE, TestDriver } from "./testing/driver.ts";
import { ManualDevice, taken } from "./testing/manual-device.ts";
import type { RawPackedDescriptor } from "./testing/packed-driver-queue.ts";
import { NO_EVENT_IDX, startRing } from "./testing/ring.ts";

const { NEXT, WRITE, INDIRECT, AVAIL, USED } = DescriptorFlag;

function create(accept = NO_EVENT_IDX) {
  const ring = startRing(true, accept);
  const [queue] = ring.driver.packedQueues;
  return { ...ring, queue };
}

describe("packed ring", () => {
  it("marks used descriptors with the wrap counter, and WRITE if anything was written", () => {
    const { device, driver, queue, pop } = create();
    const flagsOf = (place: number) => driver.memory.readU16(queue.desc + 16 * place + 14);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 8; i++) {
        queue.add([], [1]);
        device.queue.push(taken(pop()), i % 2);
        const marks = round === 0 ? AVAIL | USED : 0;
        expect(flagsOf(i)).toBe(marks | (i % 2 === 1 ? WRITE : 0));
        queue.poll();
      }
    }
  });

  it("shows the first of several used elements last", () => {
    const { device, driver, queue, pop } = create();
    const flagsOf = (place: number) => driver.memory.readU16(queue.desc + 16 * place + 14);
    for (let i = 0; i < 3; i++) queue.add([], [1]);
    for (let i = 0; i < 3; i++) device.queue.stage(taken(pop()), 0);
    expect([0, 1, 2].map((place) => (flagsOf(place) & USED) !== 0)).toEqual([false, true, true]);
    device.queue.publish();
    expect(flagsOf(0) & USED).toBe(USED);
  });

  it("accepts sizes that are no power of two, and any buffer id", () => {
    const device = new ManualDevice();
    const driver = new TestDriver(device, { packed: true }).start({ queueSize: 5 });
    const [queue] = driver.packedQueues;
    const address = driver.allocate(16);
    for (let i = 0; i < 13; i++) {
      queue.offer({ address, length: 4, id: 0xfff0 + i, flags: WRITE });
      device.queue.push(taken(device.queue.pop()), i);
      expect(queue.poll()).toEqual([{ id: 0xfff0 + i, length: i }]);
    }
  });

  it("waits for the rest of a chain that is not wholly available", () => {
    const { device, driver, queue, pop, broken } = create();
    const address = driver.allocate(16);
    queue.offer({ address, length: 4, flags: NEXT | WRITE });
    expect(pop()).toBeUndefined();
    expect(device.queue.enableNotification()).toBe(false);
    queue.offer({ address, length: 4, id: 3, flags: WRITE });
    expect(taken(pop())).toMatchObject({ id: 3, slots: 2, writableLength: 8 });
    expect(broken()).toBeUndefined();
  });
});

describe("packed notification", () => {
  it("is suppressed by the driver's flags", () => {
    const { device, driver, queue, pop } = create();
    const pulses = [1, 0, 1].map((flags) => {
      queue.setEvent(flags);
      queue.add([], [1]);
      device.queue.push(taken(pop()), 1);
      return driver.irq.pulses;
    });
    expect(pulses).toEqual([0, 1, 1]);
  });

  it("comes exactly when the driver's position is passed, on this round or the one before", () => {
    const { device, driver, queue, pop } = create(-1n);
    const serve = () => {
      queue.add([], [1]);
      const before = driver.irq.pulses;
      device.queue.push(taken(pop()), 1);
      queue.poll();
      return driver.irq.pulses - before;
    };
    queue.setEvent(2, 2, true);
    expect([serve(), serve(), serve(), serve()]).toEqual([0, 0, 1, 0]);
    queue.setEvent(2, 7, true);
    expect([serve(), serve(), serve(), serve(), serve()]).toEqual([0, 0, 0, 1, 0]);
    queue.setEvent(2, 0, true);
    expect(serve()).toBe(0);
    queue.setEvent(2, 2, false);
    expect(serve()).toBe(1);
  });

  it("asks for kicks at its own position with EVENT_IDX, and by flags without", () => {
    const { device, queue, pop } = create(-1n);
    queue.add([], [1]);
    pop();
    device.queue.enableNotification();
    expect(queue.deviceEvent).toEqual({ place: 1, wrap: true, flags: 2 });
    device.queue.disableNotification();
    expect(queue.deviceEvent.flags).toBe(1);
    const plain = create();
    plain.device.queue.disableNotification();
    expect(plain.queue.deviceEvent.flags).toBe(1);
    plain.device.queue.enableNotification();
    expect(plain.queue.deviceEvent.flags).toBe(0);
  });
});

const BAD_CHAINS: Record<string, (free: number) => RawPackedDescriptor[]> = {
  "an address outside RAM": () => [{ address: 0x1000, length: 4, flags: WRITE }],
  "no bytes": () => [{ address: RAM_BASE, length: 0 }],
  "readable after writable": (free) => [
    { address: free, length: 4, flags: WRITE | NEXT },
    { address: free, length: 4 },
  ],
  "an indirect table with a next descriptor": (free) => [
    { address: free, length: 16, flags: INDIRECT | NEXT },
    { address: free, length: 4, flags: WRITE },
  ],
  "an indirect table of a broken size": (free) => [{ address: free, length: 8, flags: INDIRECT }],
  "an indirect table larger than the queue": (free) => [
    { address: free, length: 16 * 9, flags: INDIRECT },
  ],
  "an indirect table outside RAM": () => [{ address: 0, length: 16, flags: INDIRECT }],
};

describe("malformed packed chains", () => {
  for (const [name, build] of Object.entries(BAD_CHAINS)) {
    it(`completes ${name} with length 0 and lives on`, () => {
      const { device, driver, queue, pop, broken } = create();
      const free = driver.allocate(0x1000);
      const chain = build(free).map((descriptor) => ({ ...descriptor, id: 6 }));
      queue.offer(...chain);
      expect(pop()).toBeUndefined();
      expect(device.queue.inspect()).toMatchObject({ malformed: 1, inFlight: 0 });
      const word = driver.memory.readU32(queue.desc + 12);
      expect(word).toBe((6 | ((AVAIL | USED) << 16)) >>> 0);
      queue.offer({ address: free, length: 4, id: 2, flags: WRITE });
      expect(taken(pop()).id).toBe(2);
      expect(broken()).toBeUndefined();
    });
  }

  it("refuses an indirect table inside another", () => {
    const { driver, queue, pop } = create();
    const table = driver.allocate(16);
    queue.setDescriptor(0, { address: table, length: 16, flags: INDIRECT }, table);
    queue.offer({ address: table, length: 16, id: 1, flags: INDIRECT });
    expect(pop()).toBeUndefined();
    expect(queue.poll()).toEqual([{ id: 1, length: 0 }]);
  });
});

describe("broken packed rings", () => {
  it("need a reset when a chain has no end", () => {
    const { driver, queue, pop, broken } = create();
    const address = driver.allocate(16);
    for (let i = 0; i < 8; i++) queue.offer({ address, length: 4, flags: NEXT });
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/no id/);
  });

  it("need a reset when an id in flight is made available again", () => {
    const { driver, queue, pop, broken } = create();
    const address = driver.allocate(16);
    queue.offer({ address, length: 4, id: 1 }, { address, length: 4, id: 1 });
    taken(pop());
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/chain 1 .* in flight/);
  });

  it("need a reset when more is in flight than the ring has places", () => {
    const { driver, queue, pop, broken } = create();
    const address = driver.allocate(16);
    for (let id = 0; id < 8; id++) {
      queue.offer({ address, length: 4, id });
      taken(pop());
    }
    queue.offer({ address, length: 4, id: 8 });
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/more than 8/);
  });

  const layouts: Record<string, [size: number, ring: number, driver: number, device: number]> = {
    "size 0": [0, 0, 0x1000, 0x2000],
    "a size beyond the maximum": [9, 0, 0x1000, 0x2000],
    "a misaligned ring": [8, 8, 0x1000, 0x2000],
    "a misaligned driver area": [8, 0, 0x1002, 0x2000],
    "a misaligned device area": [8, 0, 0x1000, 0x2002],
    "a ring outside RAM": [8, 0x10_0000 - 64, 0x1000, 0x2000],
    "a driver area outside RAM": [8, 0, 0x10_0000, 0x2000],
    "a device area outside RAM": [8, 0, 0x1000, -4],
  };
  for (const [name, [size, ring, event, own]] of Object.entries(layouts)) {
    it(`are refused for ${name}`, () => {
      const driver = new TestDriver(new ManualDevice(), { packed: true });
      driver.negotiate();
      const at = (offset: number) => RAM_BASE + offset;
      expect(driver.writeQueue(0, size, at(ring), at(event), at(own))).toBe(false);
      driver.addStatus(Status.DRIVER_OK);
      expect(driver.status & Status.DEVICE_NEEDS_RESET).toBeTruthy();
    });
  }
});
