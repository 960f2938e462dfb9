/** What the monitor allocates for a request does not grow with the bytes that the request moves. */
import { describe, expect, it } from "vitest";
import { BlockDevice } from "./devices/block.ts";
import type { BlockBackend, BlockTarget } from "./devices/block-backend.ts";
import { BlockType } from "./devices/block-request.ts";
import { DescriptorFlag, Feature } from "./spec.ts";
import { header } from "./testing/block-driver.ts";
import { TestDriver } from "./testing/driver.ts";

const SMALL = 4 << 10;
const LARGE = 1 << 20;

/** Until nothing is compiled or learnt any more. */
const WARM_UP = 2000;
const MEASURED = 301;

/** For each byte more: what is compiled once more in between makes some difference, bytes would make all. */
const NEXT_TO_NOTHING = 1 / 1000;

/** A disk that allocates nothing itself. */
class BlankDisk implements BlockBackend {
  readonly sectors = 1 << 20;
  readonly readOnly = false;
  readonly id = "blank";
  readonly #bytes = [new Uint8Array(SMALL), new Uint8Array(LARGE)];

  read(_sector: number, target: BlockTarget): void {
    target.write(0, this.#bytes[target.length === SMALL ? 0 : 1]);
  }

  write(): void {}

  flush(): void {}
}

class Guest {
  readonly #driver: TestDriver;
  readonly #header: number;
  readonly #data: number;
  readonly #status: number;

  constructor(withhold: readonly number[]) {
    const device = new BlockDevice("blk0", new BlankDisk());
    const options = { ramSize: 0x40_0000, packed: true, withhold };
    this.#driver = new TestDriver(device, options).start();
    this.#header = this.#driver.allocate(16);
    this.#status = this.#driver.allocate(1);
    this.#data = this.#driver.allocate(LARGE, 4096);
  }

  /** One request; gives the bytes of the heap and of buffers that the monitor has allocated for it. */
  run(type: number, length: number): { heap: number; buffers: number } {
    const [queue] = this.#driver.queues;
    this.#driver.memory.write(this.#header, header(type));
    const flags = type === BlockType.IN ? DescriptorFlag.WRITE : 0;
    queue.offerParts([
      { gpa: this.#header, length: 16, flags: 0 },
      { gpa: this.#data, length, flags },
      { gpa: this.#status, length: 1, flags: DescriptorFlag.WRITE },
    ]);
    const before = process.memoryUsage();
    queue.kick();
    const after = process.memoryUsage();
    if (queue.poll().length !== 1) throw new Error("a request without its answer");
    return {
      heap: after.heapUsed - before.heapUsed,
      buffers: after.arrayBuffers - before.arrayBuffers,
    };
  }

  /** Of many requests the one in the middle: now and then garbage is collected in between. */
  typical(type: number, length: number): { heap: number; buffers: number } {
    const all = Array.from({ length: MEASURED }, () => this.run(type, length));
    const middle = (values: number[]) => values.toSorted((a, b) => a - b)[MEASURED >> 1];
    return {
      heap: middle(all.map(({ heap }) => heap)),
      buffers: middle(all.map(({ buffers }) => buffers)),
    };
  }
}

describe.each([
  { layout: "split", withhold: [Feature.RING_PACKED] },
  { layout: "packed", withhold: [] },
])("a request in a $layout ring", ({ withhold }) => {
  it.each(["IN", "OUT"] as const)("allocates nothing for the bytes of %s", (name) => {
    const guest = new Guest(withhold);
    const type = BlockType[name];
    for (let i = 0; i < WARM_UP; i++) guest.run(type, i % 8 === 0 ? LARGE : SMALL);
    const small = guest.typical(type, SMALL);
    const large = guest.typical(type, LARGE);
    expect(large.buffers).toBe(0);
    const perByte = (large.heap - small.heap) / (LARGE - SMALL);
    expect(perByte).toBeLessThan(NEXT_TO_NOTHING);
  });
});
