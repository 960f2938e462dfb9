/** What holds for every device, whatever the guest does; `testing/scenario.ts` says what that is. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockDevice } from "./devices/block.ts";
import { MemoryBlockBackend } from "./devices/memory-block-backend.ts";
import { Feature, Register } from "./spec.ts";
import { RAM_BASE, settle, TestDriver } from "./testing/driver.ts";
import { Scenario, type Step, StepKind } from "./testing/scenario.ts";
import { SPECIMENS } from "./testing/specimens.ts";

const word = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }) },
  fc.constantFrom(0x100, 0x200, 0x1000, 0xffff, 0x8000_0000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const byte = fc.integer({ min: 0, max: 255 });
const queue = fc.integer({ min: 0, max: 8 });
const style = fc.integer({ min: 0, max: 31 });

const step = (kind: number, ...args: fc.Arbitrary<number>[]): fc.Arbitrary<Step> =>
  fc.tuple(fc.constant(kind), ...args);

const part = fc.tuple(
  fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 0x1_7fff }) }, word),
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 1, 8, 16, 20, 512, 513, 4096) }, word),
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 2) }, fc.integer({ min: 0, max: 7 })),
);
const chain: fc.Arbitrary<Step> = fc
  .tuple(queue, style, fc.array(part, { minLength: 1, maxLength: 8 }))
  .map(([queue, style, parts]) => [StepKind.CHAIN, queue, style, ...parts.flat()]);
const request: fc.Arbitrary<Step> = fc
  .tuple(queue, style, fc.constantFrom(0, 0, 1, 512, 0xffff_ffff), fc.array(byte, { maxLength: 8 }))
  .map(([which, style, change, edits]) => [StepKind.REQUEST, which, style, change, ...edits]);

const register = fc.oneof(
  fc.constantFrom(...Object.values(Register)),
  fc.integer({ min: 0, max: 0x1ff }),
);
/** Transport features and those of a device's first word, to be left out. */
const features = fc
  .subarray([...Array(32).keys(), ...Object.values(Feature)], { maxLength: 12 })
  .map((left) =>
    left.reduce(
      (words, bit) => words.with(bit >> 5, words[bit >> 5] | (1 << (bit & 31))),
      [0, 0, 0, 0],
    ),
  );
const restart: fc.Arbitrary<Step> = fc
  .tuple(features, word)
  .map(([left, size]) => [StepKind.RESTART, ...left.slice(0, 3).map((bits) => bits >>> 0), size]);

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: chain },
    { weight: 8, arbitrary: request },
    { weight: 2, arbitrary: step(StepKind.KICK, queue) },
    { weight: 4, arbitrary: step(StepKind.STIR, fc.nat(1)) },
    { weight: 2, arbitrary: step(StepKind.WRITE, register, fc.nat(2), word) },
    { weight: 2, arbitrary: step(StepKind.READ, register, fc.nat(2)) },
    { weight: 2, arbitrary: restart },
    { weight: 1, arbitrary: step(StepKind.QUEUE_RESET, queue) },
    { weight: 1, arbitrary: step(StepKind.RAW, queue, word, fc.nat(1)) },
    { weight: 1, arbitrary: step(StepKind.SUPPRESS, queue, fc.nat(3), word) },
    { weight: 1, arbitrary: step(StepKind.POKE, word, byte, byte, byte, byte) },
    { weight: 1, arbitrary: step(StepKind.RELOAD) },
  ),
  { maxLength: 40 },
);

describe("whatever the guest does", () => {
  it.each(Object.keys(SPECIMENS))("keeps every promise: %s", async (name) => {
    await fc.assert(
      fc.asyncProperty(steps, (steps) => new Scenario(SPECIMENS[name]()).run(steps)),
      { numRuns: 60 },
    );
  });
});

/** Bytes that a device may keep for a guest, besides what it is built to hold. */
const HEAP_GROWTH_MAX = 4 * 1024 * 1024;

describe("a guest that never ends", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  it.each(Object.keys(SPECIMENS))("does not make the monitor grow: %s", async (name) => {
    const specimen = SPECIMENS[name]();
    const driver = new TestDriver(specimen.device, { packed: true, ramSize: 0x4_0000 });
    const round = async () => {
      driver.recycle();
      driver.start({ queueSize: 16 });
      for (const request of specimen.requests) {
        const queue = driver.queues[request.queue];
        queue.add(request.readable ?? [], request.writable ?? []);
        queue.kick();
        driver.writeConfig(0, 4, 1);
        queue.poll();
      }
      specimen.stir?.();
      await settle();
    };
    const used = async () => {
      for (let i = 0; i < 300; i++) await round();
      collect();
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    };
    const before = await used();
    expect((await used()) - before).toBeLessThan(HEAP_GROWTH_MAX);
  });
});
/** A ring that lies in the very buffers that the device fills. */
describe("a ring inside its own buffers", () => {
  const bytes = fc.uint8Array({ minLength: 512, maxLength: 512 });
  it("ends in bounded time and harms nobody else", () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 8 }), fc.nat(400), (sectors, at) => {
        const image = Uint8Array.from(sectors.flatMap((sector) => [...sector]));
        const device = new BlockDevice("blk0", new MemoryBlockBackend({ image }));
        const driver = new TestDriver(device).start({ queueSize: 16 });
        const [queue] = driver.splitQueues;
        const head = driver.allocate(16);
        const status = driver.allocate(1);
        for (let i = 0; i + 2 < 16; i += 3) {
          const target = Math.max(RAM_BASE, queue.avail - at);
          queue.setDescriptor(i, { address: head, length: 16, flags: 1, next: i + 1 });
          queue.setDescriptor(i + 1, { address: target, length: 512, flags: 3, next: i + 2 });
          queue.setDescriptor(i + 2, { address: status, length: 1, flags: 2 });
          queue.offer(i);
        }
        queue.kick();
        const { chains } = driver.transport.inspect().queues[0];
        expect(chains).toBeLessThanOrEqual(3 * 16);
        expect(driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
