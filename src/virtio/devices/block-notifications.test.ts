/** How often driver and device disturb each other (virtio 2.7.7 to 2.7.10): counted, not timed. */
import { describe, expect, it } from "vitest";
import { bit, Feature, USED_NO_NOTIFY } from "../spec.ts";
import { DeferredBackend, header, startBlock } from "../testing/block-driver.ts";
import { settle } from "../testing/driver.ts";
import { BlockType } from "./block-request.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

const BATCHES = 20;
const DEPTH = 16;

/** A driver that kicks only when the device asks for it, as Linux does. */
function start(backend = new MemoryBlockBackend({ sectors: 64 }) as object, eventIdx = true) {
  const accept = eventIdx ? -1n : ~bit(Feature.EVENT_IDX);
  const { driver, queue } = startBlock(backend as MemoryBlockBackend, { accept, queues: 1 });
  let sent = 0;
  let kicks = 0;
  const add = (count: number) => {
    const before = sent;
    for (let i = 0; i < count; i++) {
      queue.add([header(BlockType.IN, i % 64)], [512, 1], { indirect: true });
    }
    sent += count;
    const wanted = eventIdx
      ? ((sent - queue.availEvent - 1) & 0xffff) < ((sent - before) & 0xffff)
      : (queue.usedFlags & USED_NO_NOTIFY) === 0;
    if (!wanted) return;
    kicks++;
    queue.kick();
  };
  return { driver, queue, add, kicks: () => kicks, pulses: () => driver.irq.pulses };
}

describe("notifications with EVENT_IDX", () => {
  it("are one kick and one interrupt for a batch", () => {
    const { queue, add, kicks, pulses } = start();
    for (let i = 1; i <= BATCHES; i++) {
      add(DEPTH);
      expect(queue.poll()).toHaveLength(DEPTH);
      queue.setUsedEvent(i * DEPTH);
      expect([kicks(), pulses()]).toEqual([i, i]);
    }
  });

  it("are no interrupts at all for a driver that polls", () => {
    const { driver, queue, add, pulses } = start();
    queue.setUsedEvent(-1);
    for (let i = 1; i <= BATCHES; i++) {
      add(DEPTH);
      expect(queue.poll()).toHaveLength(DEPTH);
    }
    expect(pulses()).toBe(0);
    expect(driver.transport.inspect().queues[0]).toMatchObject({
      notified: 0,
      suppressed: BATCHES,
    });
  });

  it("are one interrupt for as many batches as the driver wants to hear of at once", () => {
    const { queue, add, pulses } = start();
    for (let i = 0; i < BATCHES; i++) {
      // As virtqueue_enable_cb_delayed: after three more batches.
      if (i % 4 === 0) queue.setUsedEvent((i + 3) * DEPTH);
      add(DEPTH);
      queue.poll();
    }
    expect(pulses()).toBe(BATCHES / 4);
  });

  it("are no kicks for what is added while the device has no room for it", async () => {
    const backend = new DeferredBackend();
    const { queue, add, kicks } = start(backend);
    add(64);
    expect(kicks()).toBe(1);
    for (let i = 0; i < 4; i++) add(DEPTH);
    expect(kicks()).toBe(1);
    for (let round = 0; round < 4; round++) {
      for (const { resolve } of backend.waiting) resolve();
      await settle();
    }
    expect(queue.poll()).toHaveLength(128);
    add(1);
    expect(kicks()).toBe(2);
  });
});

describe("notifications without EVENT_IDX", () => {
  it("are one kick and one interrupt for a batch, and none when the driver says so", () => {
    const { queue, add, kicks, pulses } = start(undefined, false);
    for (let i = 1; i <= BATCHES; i++) add(DEPTH);
    expect([kicks(), pulses()]).toEqual([BATCHES, BATCHES]);
    queue.setAvailFlags(1);
    for (let i = 1; i <= BATCHES; i++) add(DEPTH);
    expect([kicks(), pulses()]).toEqual([2 * BATCHES, BATCHES]);
    expect(queue.poll()).toHaveLength(2 * BATCHES * DEPTH);
  });
});
