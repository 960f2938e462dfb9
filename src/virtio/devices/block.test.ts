import { describe, expect, it } from "vitest";
import { bit, Feature, Register, Status } from "../spec.ts";
import { DeferredBackend, header, pattern, startBlock } from "../testing/block-driver.ts";
import { settle } from "../testing/driver.ts";
import type { SplitDriverQueue } from "../testing/split-driver-queue.ts";
import { BLOCK_BYTES_IN_FLIGHT_MAX, BLOCK_IN_FLIGHT_MAX } from "./block.ts";
import { BlockConfig, BlockFeature } from "./block-config.ts";
import { BlockStatus, BlockType } from "./block-request.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

const { IN, OUT, FLUSH } = BlockType;
const { OK, IOERR } = BlockStatus;

describe("slow backends", () => {
  it("complete in any order", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend);
    const first = queue.add([header(IN, 1)], [512, 1]);
    const second = queue.add([header(IN, 2)], [512, 1]);
    queue.kick();
    expect(backend.log).toEqual(["read 1", "read 2"]);
    backend.targets[1].write(0, pattern(600));
    backend.waiting[1].resolve();
    await settle();
    expect(queue.poll()).toEqual([{ id: second.id, length: 513 }]);
    expect(queue.written(second)).toEqual(new Uint8Array([...pattern(512), OK]));
    backend.waiting[0].reject(new Error("disk on fire"));
    await settle();
    expect(queue.poll()).toEqual([{ id: first.id, length: 0 }]);
    expect(queue.written(first)[512]).toBe(IOERR);
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("that throw fail the request", () => {
    const backend = new DeferredBackend();
    backend.read = () => {
      throw new Error("at once");
    };
    const { run } = startBlock(backend);
    expect(run([header(IN)], [512, 1]).status).toBe(IOERR);
  });

  it("never touch a guest that has reset the device", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend);
    const request = queue.add([header(IN)], [512, 1]);
    queue.kick();
    driver.start();
    expect(backend.targets[0].alive).toBe(false);
    backend.targets[0].write(0, pattern(512));
    backend.targets[0].zero(0, 512);
    const pulses = driver.irq.pulses;
    backend.waiting[0].resolve();
    await settle();
    expect(queue.written(request).every((b) => b === 0)).toBe(true);
    expect(queue.usedIdx).toBe(0);
    expect(driver.irq.pulses).toBe(pulses);
  });

  it("never touch a queue that was reset", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend);
    const request = queue.add([header(IN)], [512, 1]);
    queue.kick();
    driver.write(Register.QueueSel, 0);
    driver.write(Register.QueueReset, 1);
    const fresh = driver.setupQueue(0, 16) as SplitDriverQueue;
    backend.targets[0].write(0, pattern(512));
    backend.waiting[0].resolve();
    await settle();
    expect(queue.written(request).every((b) => b === 0)).toBe(true);
    expect([queue.usedIdx, fresh.usedIdx]).toEqual([0, 0]);
    fresh.add([header(IN, 7)], [512, 1]);
    fresh.kick();
    backend.waiting[1].resolve();
    await settle();
    expect(fresh.poll()).toHaveLength(1);
  });

  it("get a bounded number of requests, also when the guest resets in between", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend);
    for (let i = 0; i < 80; i++) queue.add([header(IN, i)], [512, 1], { indirect: true });
    queue.kick();
    expect(backend.log).toHaveLength(BLOCK_IN_FLIGHT_MAX);
    for (let i = 0; i < 10; i++) backend.waiting[i].resolve();
    await settle();
    expect(backend.log).toHaveLength(BLOCK_IN_FLIGHT_MAX + 10);
    driver.start();
    const [again] = driver.splitQueues;
    again.add([header(IN, 500)], [512, 1]);
    again.kick();
    expect(backend.log).toHaveLength(BLOCK_IN_FLIGHT_MAX + 10);
    for (const { resolve } of backend.waiting) resolve();
    await settle();
    expect(backend.log.at(-1)).toBe("read 500");
  });

  it("get a bounded number of bytes", () => {
    const backend = new DeferredBackend();
    const { driver, queue } = startBlock(backend);
    const page = driver.allocate(0x10_0000);
    const head = driver.allocate(16);
    driver.memory.write(head, header(IN));
    for (let i = 0; i < 32; i++) {
      queue.setDescriptor(100 + i, { address: page, length: 0x10_0000, flags: 3, next: 101 + i });
    }
    queue.setDescriptor(132, { address: page, length: 1, flags: 2 });
    for (let i = 0; i < 4; i++) {
      queue.setDescriptor(i, { address: head, length: 16, flags: 1, next: 100 });
      queue.offer(i);
    }
    queue.kick();
    expect(backend.log).toHaveLength(BLOCK_BYTES_IN_FLIGHT_MAX / (32 * 0x10_0000));
  });
});

describe("the write cache", () => {
  it("is flushed by FLUSH, which completes when the backend says so", async () => {
    const backend = new DeferredBackend();
    const { queue } = startBlock(backend);
    queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    backend.waiting[0].resolve();
    await settle();
    expect(queue.poll()).toHaveLength(1);
    queue.add([header(FLUSH)], [1]);
    queue.kick();
    await settle();
    expect(queue.poll()).toHaveLength(0);
    backend.waiting[1].resolve();
    await settle();
    expect(queue.poll()).toHaveLength(1);
    expect(backend.log).toEqual(["write 0", "flush"]);
  });

  it("is written through when the driver turns it off, after a last flush", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend);
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(1);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 0);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 0);
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(0);
    expect(backend.log).toEqual(["flush"]);
    backend.waiting[0].reject(new Error("disk on fire"));
    queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    backend.waiting[1].resolve();
    await settle();
    expect(queue.poll()).toHaveLength(0);
    backend.waiting[2].resolve();
    await settle();
    expect(backend.log).toEqual(["flush", "write 0", "flush"]);
    expect(queue.poll()).toHaveLength(1);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 1);
    queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    backend.waiting[3].resolve();
    await settle();
    expect(queue.poll()).toHaveLength(1);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 0);
    driver.start();
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(1);
  });

  it("survives a backend that throws when it is turned off", () => {
    const backend = new MemoryBlockBackend({ sectors: 8 });
    backend.flush = () => {
      throw new Error("at once");
    };
    const { driver } = startBlock(backend);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 0);
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("fails a write-through write whose flush fails", async () => {
    const backend = new DeferredBackend();
    const { queue } = startBlock(backend, { accept: ~bit(BlockFeature.FLUSH) });
    const request = queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    backend.waiting[0].resolve();
    await settle();
    backend.waiting[1].reject(new Error("no space"));
    await settle();
    expect(queue.poll()).toHaveLength(1);
    expect(queue.written(request)[0]).toBe(IOERR);
  });

  it.each([
    ["FLUSH", bit(BlockFeature.FLUSH)],
    ["FLUSH and CONFIG_WCE", bit(BlockFeature.FLUSH) | bit(BlockFeature.CONFIG_WCE)],
  ])("is written through for a driver without %s", async (_, missing) => {
    const backend = new DeferredBackend();
    const { queue, driver } = startBlock(backend, { accept: ~missing });
    expect(driver.status & Status.FEATURES_OK).not.toBe(0);
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(0);
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 1);
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(0);
    queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    backend.waiting[0].resolve();
    await settle();
    expect(backend.log).toEqual(["write 0", "flush"]);
  });

  it("is as it was in a saved machine", () => {
    const { driver } = startBlock();
    driver.writeConfig(BlockConfig.WRITEBACK, 1, 0);
    const saved = structuredClone(driver.transport.save());
    driver.start();
    driver.transport.load(saved);
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(0);
    driver.start({ accept: ~bit(BlockFeature.FLUSH) });
    driver.transport.load(structuredClone(driver.transport.save()));
    expect(driver.config(BlockConfig.WRITEBACK, 1)).toBe(0);
  });
});

describe("several queues", () => {
  it("are served side by side, each answered in its own ring", async () => {
    const backend = new DeferredBackend();
    const { driver } = startBlock(backend, { queues: 3 });
    const queues = driver.splitQueues;
    const requests = queues.map((queue, i) => queue.add([header(IN, i)], [512, 1]));
    for (const queue of queues) queue.kick();
    expect(backend.log).toEqual(["read 0", "read 1", "read 2"]);
    for (const [i, queue] of queues.entries()) {
      backend.targets[i].write(0, pattern(512, i));
      backend.waiting[i].resolve();
      await settle();
      expect(queue.poll()).toEqual([{ id: requests[i].id, length: 513 }]);
      expect(queue.written(requests[i]).subarray(0, 512)).toEqual(pattern(512, i));
    }
  });

  it("share the limit of requests in flight without starving one", async () => {
    const backend = new DeferredBackend();
    const { driver } = startBlock(backend, { queues: 2 });
    const [greedy, modest] = driver.splitQueues;
    for (let i = 0; i < 100; i++) greedy.add([header(IN, 1)], [512, 1], { indirect: true });
    greedy.kick();
    for (let i = 0; i < 3; i++) modest.add([header(IN, 2)], [512, 1], { indirect: true });
    modest.kick();
    expect(backend.log).toEqual(new Array(BLOCK_IN_FLIGHT_MAX).fill("read 1"));
    for (let i = 0; i < 10; i++) backend.waiting[i].resolve();
    await settle();
    expect(backend.log.slice(BLOCK_IN_FLIGHT_MAX)).toContain("read 2");
    for (let i = 10; i < 103; i++) {
      backend.waiting[i].resolve();
      await settle(4);
    }
    expect([greedy.poll().length, modest.poll().length]).toEqual([100, 3]);
  });

  it("may be left out by the driver, and one may be reset without the others", async () => {
    const backend = new DeferredBackend();
    const { driver } = startBlock(backend, { queues: 2 });
    const [first, second] = driver.splitQueues;
    const lost = first.add([header(IN, 1)], [512, 1]);
    const kept = second.add([header(IN, 2)], [512, 1]);
    first.kick();
    second.kick();
    driver.write(Register.QueueSel, 0);
    driver.write(Register.QueueReset, 1);
    for (const { resolve } of backend.waiting) resolve();
    await settle();
    expect([first.usedIdx, second.poll()]).toEqual([0, [{ id: kept.id, length: 513 }]]);
    expect(first.written(lost)[512]).toBe(0);
  });

  it("announces answers that come together with one interrupt", async () => {
    const backend = new DeferredBackend();
    const { driver, queue } = startBlock(backend, { accept: ~bit(Feature.EVENT_IDX) });
    for (let i = 0; i < 8; i++) queue.add([header(IN, i)], [512, 1]);
    queue.kick();
    for (const { resolve } of backend.waiting) resolve();
    await settle();
    expect([queue.poll().length, driver.irq.pulses]).toEqual([8, 1]);
  });
});
