/**
 * What no guest should write, for every device and both layouts: a bad chain comes back with
 * length 0 and the device lives, a bad ring ends in DEVICE_NEEDS_RESET, and nobody else notices.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { EntropyDevice } from "./devices/entropy.ts";
import { DescriptorFlag, InterruptBit, Register, Status } from "./spec.ts";
import { RAM_BASE, settle, TestDriver } from "./testing/driver.ts";
import type { DriverQueue, FlaggedPart } from "./testing/driver-queue.ts";
import { ask, unanswered } from "./testing/honest.ts";
import { PackedDriverQueue } from "./testing/packed-driver-queue.ts";
import type { Specimen } from "./testing/specimen.ts";
import { SPECIMENS } from "./testing/specimens.ts";
import { SplitDriverQueue } from "./testing/split-driver-queue.ts";

const { NEXT, WRITE, INDIRECT } = DescriptorFlag;
const RAM_SIZE = 0x4_0000;
const QUEUE_SIZE = 8;

type Table = (entries: readonly FlaggedPart[], next?: readonly number[]) => number;

interface Builder {
  readonly free: number;
  /** Writes an indirect table and returns its address. */
  readonly table: Table;
}

/** Rows that both layouts have. The chain is made available with NEXT where more follows. */
const BAD_CHAINS: Record<string, (builder: Builder) => FlaggedPart[]> = {
  "an address below RAM": () => [{ gpa: 0x1000, length: 16, flags: WRITE }],
  "an address of a device": () => [{ gpa: 0x0f00_0000, length: 16, flags: 0 }],
  "a range that runs out of RAM": () => [{ gpa: RAM_BASE + RAM_SIZE - 4, length: 5, flags: WRITE }],
  "an address that overflows 64 bits": () => [
    { gpa: 2 ** 64 - 4096, length: 0x1000_1000, flags: WRITE },
  ],
  "a length of 4 GiB": () => [{ gpa: RAM_BASE, length: 0xffff_ffff, flags: WRITE }],
  "more than 2^32 bytes": ({ free }) =>
    Array.from({ length: 4 }, () => ({ gpa: free, length: 0x7fff_ffff, flags: WRITE })),
  "a bad second descriptor": ({ free }) => [
    { gpa: free, length: 16, flags: 0 },
    { gpa: 0, length: 16, flags: WRITE },
  ],
  "no bytes": ({ free }) => [
    { gpa: free, length: 0, flags: 0 },
    { gpa: free, length: 0, flags: WRITE },
  ],
  "readable after writable": ({ free }) => [
    { gpa: free, length: 64, flags: WRITE },
    { gpa: free, length: 64, flags: 0 },
  ],
  "an indirect table inside another": ({ free, table }) => {
    const inner = table([{ gpa: free, length: 16, flags: WRITE }]);
    return [
      { gpa: table([{ gpa: inner, length: 16, flags: INDIRECT }]), length: 16, flags: INDIRECT },
    ];
  },
  "an indirect table with a next descriptor": ({ free, table }) => [
    { gpa: table([{ gpa: free, length: 16, flags: WRITE }]), length: 16, flags: INDIRECT },
    { gpa: free, length: 16, flags: WRITE },
  ],
  "an indirect table of no bytes": ({ free }) => [{ gpa: free, length: 0, flags: INDIRECT }],
  "an indirect table of a broken size": ({ free }) => [{ gpa: free, length: 24, flags: INDIRECT }],
  "an indirect table larger than the queue": ({ free }) => [
    { gpa: free, length: 16 * (QUEUE_SIZE + 1), flags: INDIRECT },
  ],
  "an indirect table outside RAM": () => [{ gpa: 0x1000, length: 16, flags: INDIRECT }],
  "a table entry outside RAM": ({ table }) => [
    { gpa: table([{ gpa: 0x1000, length: 16, flags: WRITE }]), length: 16, flags: INDIRECT },
  ],
};

/** Rows about links, which only split rings have. Each makes descriptor `head` a bad chain. */
const BAD_LINKS: Record<string, (queue: SplitDriverQueue, head: number, free: number) => void> = {
  "a next beyond the table": (queue, head, free) =>
    queue.setDescriptor(head, { address: free, length: 16, flags: NEXT, next: QUEUE_SIZE }),
  "a descriptor that follows itself": (queue, head, free) =>
    queue.setDescriptor(head, { address: free, length: 16, flags: NEXT | WRITE, next: head }),
  "a loop": (queue, head, free) => {
    const other = (head + 1) % QUEUE_SIZE;
    queue.setDescriptor(head, { address: free, length: 16, flags: NEXT, next: other });
    queue.setDescriptor(other, { address: free, length: 16, flags: NEXT, next: head });
  },
  "a loop of empty descriptors": (queue, head) =>
    queue.setDescriptor(head, { address: 0, length: 0, flags: NEXT, next: head }),
  "a next beyond the indirect table": (queue, head, free) => {
    queue.setDescriptor(head, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE | NEXT, next: 1 }, free);
  },
  "a loop in the indirect table": (queue, head, free) => {
    queue.setDescriptor(head, { address: free, length: 16, flags: INDIRECT });
    queue.setDescriptor(0, { address: free + 64, length: 4, flags: WRITE | NEXT, next: 0 }, free);
  },
};

/** Rings that make no sense, as far as the device looks at them at all. */
const BAD_RINGS: Record<string, (queue: DriverQueue, free: number) => void> = {
  "a head that is no descriptor, or a chain without an end": (queue, free) => {
    if (queue instanceof SplitDriverQueue) queue.offer(QUEUE_SIZE);
    else if (queue instanceof PackedDriverQueue) {
      const endless = { address: free, length: 16, flags: NEXT | WRITE };
      queue.offer(...Array.from({ length: QUEUE_SIZE }, () => endless));
    }
  },
};

const BAD_SPLIT_RINGS: typeof BAD_RINGS = {
  "an available index that runs ahead": (queue) => {
    if (queue instanceof SplitDriverQueue) queue.setAvailIdx(0x4000);
  },
};

describe.each(Object.keys(SPECIMENS))("a hostile driver of %s", (name) => {
  describe.each(["split", "packed"] as const)("with %s rings", (layout) => {
    let specimen: Specimen;
    let driver: TestDriver;
    let neighbour: TestDriver;

    beforeEach(() => {
      specimen = SPECIMENS[name]();
      driver = new TestDriver(specimen.device, { packed: layout === "packed", ramSize: RAM_SIZE });
      const entropy = new EntropyDevice("beside", { fill: (bytes) => void bytes.fill(1) });
      neighbour = new TestDriver(entropy, { beside: driver }).start();
      driver.start({ queueSize: QUEUE_SIZE });
    });

    /** Answers everything that an honest driver asks, and so does the device beside it. */
    async function expectAlive(): Promise<void> {
      expect(driver.transport.inspect().needsReset).toBeUndefined();
      expect(await unanswered(driver, specimen)).toEqual([]);
      expectNeighbourAlive();
    }

    function expectNeighbourAlive(): void {
      const request = neighbour.queues[0].add([], [4]);
      neighbour.queues[0].kick();
      expect(neighbour.queues[0].poll()).toEqual([{ id: request.id, length: 4 }]);
      expect(driver.guardsIntact()).toBe(true);
    }

    /** The queues that answer, with the requests that are to be made before each can. */
    function eachAnsweringQueue(): { queue: DriverQueue; before: number }[] {
      const indexes = new Set(specimen.requests.map((request) => request.queue));
      return [...indexes].map((index) => ({
        queue: driver.queues[index],
        before: specimen.requests.findIndex((request) => request.queue === index),
      }));
    }

    async function prepare(before: number): Promise<void> {
      for (const request of specimen.requests.slice(0, before)) {
        await ask(driver, specimen, request);
      }
    }

    async function provoke(queue: DriverQueue) {
      queue.kick();
      specimen.stir?.();
      await settle();
      return queue.poll();
    }

    const chains: Record<string, (queue: DriverQueue, builder: Builder) => number> = {};
    for (const [row, build] of Object.entries(BAD_CHAINS)) {
      chains[row] = (queue, builder) => queue.offerParts(build(builder));
    }
    if (layout === "split") {
      for (const [row, build] of Object.entries(BAD_LINKS)) {
        chains[row] = (queue, { free }) => {
          if (!(queue instanceof SplitDriverQueue)) throw new Error("the ring is not split");
          build(queue, 0, free);
          queue.offer(0);
          return 0;
        };
      }
    }

    it.each(Object.keys(chains))("completes %s with length 0, in every queue", async (row) => {
      for (const index of eachAnsweringQueue().keys()) {
        driver.recycle();
        neighbour.start();
        driver.start({ queueSize: QUEUE_SIZE });
        const { queue, before } = eachAnsweringQueue()[index];
        await prepare(before);
        const free = driver.allocate(0x400, 16);
        const table: Table = (entries) => {
          const at = driver.allocate(16 * entries.length, 16);
          queue.writeTable(at, entries);
          return at;
        };
        const id = chains[row](queue, { free, table });
        const used = await provoke(queue);
        expect(used, `queue ${queue.index}`).toEqual([{ id, length: 0 }]);
        expect(driver.transport.inspect().queues[queue.index].lastMalformed).toBeDefined();
        driver.start({ queueSize: QUEUE_SIZE });
      }
      await expectAlive();
    });

    it("lives on in the same queues", async () => {
      for (const { queue } of eachAnsweringQueue()) {
        queue.offerParts([{ gpa: 0, length: 16, flags: WRITE }]);
        await provoke(queue);
      }
      await expectAlive();
    });

    it("survives chains that are too short for anything", async () => {
      for (const flags of [0, WRITE]) {
        for (const queue of driver.queues) {
          const gpa = driver.allocate(1, 1);
          const id = queue.offerParts([{ gpa, length: 1, flags }]);
          for (const used of await provoke(queue)) {
            expect(used.id).toBe(id);
            expect(used.length).toBeLessThanOrEqual(flags === WRITE ? 1 : 0);
          }
        }
      }
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });

    const rings = layout === "split" ? { ...BAD_RINGS, ...BAD_SPLIT_RINGS } : BAD_RINGS;
    it.each(Object.keys(rings))("needs a reset after %s", async (row) => {
      for (const index of eachAnsweringQueue().keys()) {
        driver.start({ queueSize: QUEUE_SIZE });
        driver.acknowledge();
        const { queue } = eachAnsweringQueue()[index];
        rings[row](queue, driver.allocate(64));
        const config = () => driver.transport.inspect().transport.configInterrupts;
        const before = config();
        await provoke(queue);
        // A queue that waits for the host, or for another one, is not looked at before.
        if ((driver.status & Status.DEVICE_NEEDS_RESET) === 0) {
          expect(queue.poll()).toEqual([]);
          continue;
        }
        expect(driver.transport.inspect().needsReset).toMatch(`queue ${queue.index}: `);
        expect(config()).toBeGreaterThan(before);
        expect(driver.acknowledge() & InterruptBit.CONFIG_CHANGE).toBeTruthy();
        expectNeighbourAlive();
        queue.kick();
        expect(queue.poll()).toEqual([]);
      }
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });

    it("never completes a chain twice that is offered twice", async () => {
      for (const queue of driver.queues) {
        const gpa = driver.allocate(64);
        const id = queue.offerParts([{ gpa, length: 64, flags: WRITE }]);
        if (queue instanceof SplitDriverQueue) queue.offer(id);
        else if (queue instanceof PackedDriverQueue) {
          queue.offer({ address: gpa, length: 64, id, flags: WRITE });
        }
        expect((await provoke(queue)).length).toBeLessThanOrEqual(2);
      }
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });

    it("cannot have a ring that is misaligned, outside RAM or of a bad size", async () => {
      const at = RAM_BASE + RAM_SIZE / 2;
      const bad: [size: number, desc: number, driver: number, device: number][] = [
        [0, at, at + 0x1000, at + 0x2000],
        [0x8001, at, at + 0x1000, at + 0x2000],
        [QUEUE_SIZE, at + 8, at + 0x1000, at + 0x2000],
        [QUEUE_SIZE, at, at + 0x1001, at + 0x2000],
        [QUEUE_SIZE, at, at + 0x1000, at + 0x2002],
        [QUEUE_SIZE, RAM_BASE + RAM_SIZE, at + 0x1000, at + 0x2000],
        [QUEUE_SIZE, at, RAM_BASE + RAM_SIZE - 2, at + 0x2000],
        [QUEUE_SIZE, at, at + 0x1000, 0x0f00_0000],
        [QUEUE_SIZE, 2 ** 64 - 64, 2 ** 64 - 64, 2 ** 64 - 64],
      ];
      if (layout === "split") bad.push([6, at, at + 0x1000, at + 0x2000]);
      for (const index of specimen.device.queueSizes.keys()) {
        for (const [size, ...areas] of bad) {
          driver.negotiate();
          expect(driver.writeQueue(index, size, ...areas)).toBe(false);
          driver.addStatus(Status.DRIVER_OK);
          expect(driver.status & Status.DEVICE_NEEDS_RESET).toBeTruthy();
          expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
        }
      }
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });

    it("cannot move a ring in use, set it up twice or kick what is not there", async () => {
      const before = driver.transport.inspect().queues;
      for (const queue of driver.queues) {
        driver.write(Register.QueueSel, queue.index);
        driver.write(Register.QueueNum, 2);
        for (const low of [Register.QueueDescLow, Register.QueueDriverLow, Register.QueueDeviceLow])
          driver.write(low, RAM_BASE);
        driver.write(Register.QueueReady, 1);
        driver.write(Register.QueueReady, 3);
      }
      for (const index of [driver.queues.length, 0xffff, 0xffff_ffff]) {
        driver.write(Register.QueueNotify, index);
      }
      expect(driver.transport.inspect().queues.map(({ addresses }) => addresses)).toEqual(
        before.map(({ addresses }) => addresses),
      );
      await expectAlive();
    });

    it("does not see kicks before DRIVER_OK, nor what was offered before a reset", async () => {
      for (const { queue } of eachAnsweringQueue()) queue.add([], [64]);
      driver.write(Register.Status, 0);
      const quiet = driver.bytesAt(RAM_BASE, RAM_SIZE);
      driver.negotiate();
      for (const index of driver.queues.keys()) driver.write(Register.QueueNotify, index);
      specimen.stir?.();
      await settle();
      expect(Buffer.compare(driver.ram, quiet)).toBe(0);
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });

    it("may put a ring into its own buffers, to its own harm alone", async () => {
      for (const index of driver.queues.keys()) {
        driver.start({ queueSize: QUEUE_SIZE });
        const queue = driver.queues[index];
        const length = queue.used + 64 - queue.desc;
        for (let i = 0; i < 4; i++) {
          queue.offerParts([{ gpa: queue.desc, length, flags: WRITE }]);
        }
        await provoke(queue);
        const { chains } = driver.transport.inspect().queues[index];
        expect(chains).toBeLessThanOrEqual(8 * QUEUE_SIZE);
        expectNeighbourAlive();
      }
      driver.start({ queueSize: QUEUE_SIZE });
      await expectAlive();
    });
  });
});
