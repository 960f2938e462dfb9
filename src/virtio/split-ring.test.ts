import { describe, expect, it } from "vitest";
import { bit, DescriptorFlag, Feature, InterruptBit, Status } from "./spec.ts";
import { RAM_BASE, TestDriver } from "./testing/driver.ts";
import { ManualDevice, taken } from "./testing/manual-device.ts";
import { NO_EVENT_IDX, startRing } from "./testing/ring.ts";
import type { SplitDriverQueue } from "./testing/split-driver-queue.ts";

const { NEXT, WRITE, INDIRECT } = DescriptorFlag;

function create(accept = NO_EVENT_IDX) {
  const ring = startRing(false, accept);
  const [queue] = ring.driver.splitQueues;
  return { ...ring, queue };
}

describe("notification", () => {
  it("obeys avail.flags without EVENT_IDX", () => {
    const { device, driver, queue, pop } = create();
    queue.setAvailFlags(1);
    queue.add([], [1]);
    device.queue.push(taken(pop()), 1);
    expect(driver.irq.pulses).toBe(0);
    expect(device.queue.inspect()).toMatchObject({ notified: 0, suppressed: 1 });
    queue.setAvailFlags(0);
    queue.add([], [1]);
    device.queue.push(taken(pop()), 1);
    expect(driver.irq.pulses).toBe(1);
  });

  it("sets used.flags to ask for no kicks and finds what came meanwhile", () => {
    const { device, queue } = create();
    device.queue.disableNotification();
    expect(queue.usedFlags).toBe(1);
    queue.add([], [1]);
    expect(device.queue.enableNotification()).toBe(true);
    expect(queue.usedFlags).toBe(0);
  });

  it("interrupts exactly when used_event is passed", () => {
    const { device, driver, queue, pop } = create(-1n);
    queue.setAvailFlags(1);
    const pulses: number[] = [];
    queue.setUsedEvent(2);
    for (let i = 0; i < 5; i++) {
      queue.add([], [1]);
      device.queue.push(taken(pop()), 1);
      pulses.push(driver.irq.pulses);
    }
    expect(pulses).toEqual([0, 0, 1, 1, 1]);
  });

  it("interrupts once for a batch that passes used_event", () => {
    const { device, driver, queue, pop } = create(-1n);
    queue.setUsedEvent(1);
    for (let i = 0; i < 3; i++) queue.add([], [1]);
    for (let i = 0; i < 3; i++) device.queue.stage(taken(pop()), 1);
    device.queue.publish();
    expect(driver.irq.pulses).toBe(1);
  });

  it("asks for the next kick through avail_event", () => {
    const { device, queue, pop } = create(-1n);
    queue.add([], [1]);
    queue.add([], [1]);
    pop();
    expect(device.queue.enableNotification()).toBe(true);
    expect(queue.availEvent).toBe(1);
    pop();
    expect(device.queue.enableNotification()).toBe(false);
    expect(queue.availEvent).toBe(2);
    device.queue.disableNotification();
    expect(queue.usedFlags).toBe(0);
  });
});

/** One row per malformed chain: it is completed with length 0, and the next one works. */
const BAD_CHAINS: Record<string, (queue: SplitDriverQueue, free: number) => void> = {
  "next beyond the table": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 4, flags: NEXT, next: 8 });
  },
  "a loop": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 4, flags: NEXT, next: 1 });
    queue.setDescriptor(1, { address: free, length: 4, flags: NEXT, next: 0 });
  },
  "a loop of empty descriptors": (queue) => {
    queue.setDescriptor(0, { address: 0, length: 0, flags: NEXT, next: 0 });
  },
  "a total of 2^32 bytes and more": (queue) => {
    const flags = WRITE | NEXT;
    for (let i = 0; i < 8; i++) {
      queue.setDescriptor(i, { address: RAM_BASE, length: 0xffff_ffff, flags, next: i + 1 });
    }
  },
  "an address outside RAM": (queue) => {
    queue.setDescriptor(0, { address: 0x0f00_0000, length: 4, flags: WRITE });
  },
  "a range that runs out of RAM": (queue) => {
    queue.setDescriptor(0, { address: RAM_BASE + 0x10_0000 - 4, length: 5, flags: WRITE });
  },
  "an address that overflows 64 bits": (queue) => {
    queue.setDescriptor(0, { address: 2 ** 64 - 4096, length: 0x8000_1000, flags: WRITE });
  },
  "nothing but empty descriptors": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 0, flags: NEXT, next: 1 });
    queue.setDescriptor(1, { address: free, length: 0, flags: WRITE });
  },
  "readable after writable": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 4, flags: WRITE | NEXT, next: 1 });
    queue.setDescriptor(1, { address: free, length: 4 });
  },
  "an indirect table inside another": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 16, flags: INDIRECT }, free);
    queue.setDescriptor(0, { address: free + 128, length: 4, flags: WRITE }, free + 64);
  },
  "an indirect table with a next descriptor": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 16, flags: INDIRECT | NEXT, next: 1 });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE }, free);
    queue.setDescriptor(1, { address: free + 64, length: 4, flags: WRITE });
  },
  "an empty indirect table": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 0, flags: INDIRECT });
  },
  "an indirect table of a broken size": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 17, flags: INDIRECT });
  },
  "an indirect table larger than the queue": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 16 * 9, flags: INDIRECT });
  },
  "an indirect table outside RAM": (queue) => {
    queue.setDescriptor(0, { address: 0x1000, length: 16, flags: INDIRECT });
  },
  "next beyond the indirect table": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE | NEXT, next: 1 }, free);
  },
  "a loop in the indirect table": (queue, free) => {
    queue.setDescriptor(0, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE | NEXT, next: 0 }, free);
  },
};

describe("malformed chains", () => {
  for (const [name, build] of Object.entries(BAD_CHAINS)) {
    it(`completes ${name} with length 0 and lives on`, () => {
      const { device, driver, queue, pop, broken } = create();
      const free = driver.allocate(0x1000, 4096);
      build(queue, free);
      queue.offer(0);
      expect(pop()).toBeUndefined();
      expect(queue.poll()).toEqual([{ id: 0, length: 0 }]);
      expect(device.queue.inspect()).toMatchObject({ malformed: 1, inFlight: 0 });
      expect(device.queue.inspect().lastMalformed).toBeDefined();
      queue.setDescriptor(0, { address: free, length: 4, flags: WRITE });
      queue.offer(0);
      expect(taken(pop()).writableLength).toBe(4);
      expect(broken()).toBeUndefined();
      expect(driver.guardsIntact()).toBe(true);
    });
  }

  it("refuses an indirect table that was not negotiated", () => {
    const { driver, queue, pop } = create(NO_EVENT_IDX & ~bit(Feature.INDIRECT_DESC));
    const free = driver.allocate(0x100);
    queue.setDescriptor(0, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE }, free);
    queue.offer(0);
    expect(pop()).toBeUndefined();
    expect(queue.poll()).toEqual([{ id: 0, length: 0 }]);
  });

  it("accepts a direct chain followed by an indirect table marked writable", () => {
    const { driver, queue, pop } = create();
    const free = driver.allocate(0x100);
    queue.setDescriptor(0, { address: free, length: 4, flags: NEXT, next: 1 });
    queue.setDescriptor(1, { address: free + 32, length: 32, flags: INDIRECT | WRITE });
    queue.setDescriptor(0, { address: free, length: 8, flags: NEXT, next: 1 }, free + 32);
    queue.setDescriptor(1, { address: free, length: 16, flags: WRITE }, free + 32);
    queue.offer(0);
    const chain = taken(pop());
    expect([chain.readableLength, chain.writableLength]).toEqual([12, 16]);
  });

  it("skips empty descriptors between others", () => {
    const { driver, queue, pop } = create();
    const free = driver.allocate(0x100);
    queue.setDescriptor(0, { address: 0, length: 0, flags: NEXT, next: 1 });
    queue.setDescriptor(1, { address: free, length: 4, flags: NEXT, next: 2 });
    queue.setDescriptor(2, { address: 0, length: 0, flags: WRITE });
    queue.offer(0);
    expect(taken(pop()).readable).toHaveLength(1);
  });

  it("reads descriptors once: what the guest changes in flight has no effect", () => {
    const { driver, queue, pop, device } = create();
    const free = driver.allocate(0x100);
    queue.setDescriptor(0, { address: free, length: 4, flags: WRITE });
    queue.offer(0);
    const chain = taken(pop());
    queue.setDescriptor(0, { address: free + 64, length: 64, flags: WRITE });
    expect(chain.writeAt(0, new Uint8Array(64).fill(1))).toBe(4);
    device.queue.push(chain, 4);
    expect(driver.bytesAt(free + 64, 64).every((b) => b === 0)).toBe(true);
  });

  it("takes the good chain behind a full ring of bad ones", () => {
    const { queue, pop, broken } = create();
    for (let i = 0; i < 8; i++) queue.setDescriptor(i, { address: 0, length: 4 });
    for (let i = 0; i < 8; i++) queue.offer(i);
    expect(pop()).toBeUndefined();
    expect(queue.poll()).toHaveLength(8);
    expect(broken()).toBeUndefined();
  });
});

describe("broken rings", () => {
  it("needs a reset when a head is no descriptor", () => {
    const { driver, queue, pop, broken } = create();
    queue.offer(8);
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/head 8/);
    expect(queue.poll()).toEqual([]);
    expect(driver.guardsIntact()).toBe(true);
  });

  it("needs a reset when the available index runs ahead", () => {
    const { queue, pop, broken } = create();
    queue.setAvailIdx(9);
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/9 ahead of 8/);
  });

  it("needs a reset when a head in flight is made available again", () => {
    const { driver, queue, pop, broken } = create();
    const request = queue.add([], [4]);
    const chain = taken(pop());
    queue.offer(request.id);
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/in flight/);
    expect(chain.alive).toBe(false);
    driver.start();
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("needs a reset when malformed chains come faster than they can be completed", () => {
    const { driver, queue, pop, broken } = create();
    queue.setDescriptor(0, { address: 0, length: 4 });
    let offering = false;
    driver.memory.observeWrites(() => {
      // Plays a hart of its own that answers every completion with another chain.
      if (offering) return;
      offering = true;
      queue.offer(0);
      offering = false;
    });
    queue.offer(0);
    expect(pop()).toBeUndefined();
    expect(broken()).toMatch(/more malformed chains/);
  });

  const layouts: Record<string, [size: number, desc: number, avail: number, used: number]> = {
    "size 0": [0, 0, 0x1000, 0x2000],
    "a size that is no power of two": [6, 0, 0x1000, 0x2000],
    "a size beyond the maximum": [16, 0, 0x1000, 0x2000],
    "a misaligned descriptor table": [8, 8, 0x1000, 0x2000],
    "a misaligned available ring": [8, 0, 0x1001, 0x2000],
    "a misaligned used ring": [8, 0, 0x1000, 0x2002],
    "a descriptor table outside RAM": [8, 0x10_0000, 0x1000, 0x2000],
    "an available ring that runs out of RAM": [8, 0, 0x10_0000 - 16, 0x2000],
    "a used ring below RAM": [8, 0, 0x1000, -0x1000],
    "addresses of 64 bits": [8, 2 ** 63, 2 ** 63, 2 ** 63],
  };
  for (const [name, [size, desc, avail, used]] of Object.entries(layouts)) {
    it(`refuses ${name}, and needs a reset if the driver goes on`, () => {
      const driver = new TestDriver(new ManualDevice());
      driver.negotiate();
      const at = (offset: number) => RAM_BASE + offset;
      expect(driver.writeQueue(0, size, at(desc), at(avail), at(used))).toBe(false);
      driver.addStatus(Status.DRIVER_OK);
      expect(driver.status & Status.DEVICE_NEEDS_RESET).toBeTruthy();
      expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    });
  }
});
