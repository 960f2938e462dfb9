import { describe, expect, it } from "vitest";
import { bit, Register, Status } from "../spec.ts";
import { settle, TestDriver } from "../testing/driver.ts";
import type { SplitDriverQueue } from "../testing/split-driver-queue.ts";
import {
  BLOCK_BYTES_IN_FLIGHT_MAX,
  BLOCK_IN_FLIGHT_MAX,
  BlockDevice,
  BlockFeature,
} from "./block.ts";
import type { BlockBackend, BlockTarget } from "./block-backend.ts";
import {
  BLOCK_REQUEST_MAX,
  BLOCK_SEGMENTS_MAX,
  BLOCK_ZERO_SECTORS_MAX,
  BlockStatus,
} from "./block-request.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const WRITE_ZEROES = 13;

const { OK, IOERR, UNSUPP } = BlockStatus;

function header(type: number, sector = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(8, sector % 0x1_0000_0000, true);
  view.setUint32(12, Math.floor(sector / 0x1_0000_0000), true);
  return bytes;
}

function segment(sector: number, count: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, sector, true);
  new DataView(bytes.buffer).setUint32(8, count, true);
  new DataView(bytes.buffer).setUint32(12, flags, true);
  return bytes;
}

const pattern = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

function create(backend: BlockBackend = new MemoryBlockBackend({ sectors: 1024 }), accept = -1n) {
  const device = new BlockDevice("blk0", backend);
  const driver = new TestDriver(device, { ramSize: 0x40_0000 }).start({ accept });
  const [queue] = driver.splitQueues;
  /** Runs one request of a backend that answers at once. */
  const run = (readable: Uint8Array[], writable: number[], indirect = false) => {
    const request = queue.add(readable, writable, { indirect });
    queue.kick();
    const used = queue.poll();
    expect(used).toHaveLength(1);
    const data = queue.written(request);
    return { length: used[0].length, status: data[data.length - 1], data };
  };
  return { device, driver, queue, run };
}

/** Answers when the test says so, in any order. */
class DeferredBackend implements BlockBackend {
  sectors = 1 << 20;
  readonly readOnly = false;
  readonly id = "deferred";
  readonly log: string[] = [];
  readonly targets: BlockTarget[] = [];
  readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  read(sector: number, target: BlockTarget): Promise<void> {
    this.targets.push(target);
    return this.#wait(`read ${sector}`);
  }
  write(sector: number): Promise<void> {
    return this.#wait(`write ${sector}`);
  }
  flush(): Promise<void> {
    return this.#wait("flush");
  }
  #wait(what: string): Promise<void> {
    this.log.push(what);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

describe("block transfers", () => {
  it("reads back what it wrote, however the request is cut up", () => {
    const { run } = create();
    const data = pattern(1024);
    const whole = new Uint8Array([...header(OUT, 5), ...data]);
    const cuts = [0, 1, 9, 16, 17, 700, whole.length];
    const parts = cuts.slice(1).map((end, i) => whole.subarray(cuts[i], end));
    expect(run(parts, [1])).toMatchObject({ length: 1, status: OK });
    expect(run([header(IN, 5).subarray(0, 3), header(IN, 5).subarray(3)], [1, 1000, 24])).toEqual({
      length: 1025,
      status: OK,
      data: new Uint8Array([...data, OK]),
    });
    expect(run([header(IN, 5)], [1024, 1], true).data.subarray(0, 1024)).toEqual(data);
  });

  it("reads zeros where nothing was written", () => {
    const { run } = create();
    expect(run([header(IN, 1023)], [512, 1])).toMatchObject({ length: 513, status: OK });
  });

  it("refuses transfers that do not fit the disk or are no whole sectors", () => {
    const { run, device } = create();
    for (const sector of [1024, 1023.5 * 2 ** 40, 2 ** 63]) {
      expect(run([header(IN, sector)], [512, 1])).toMatchObject({ length: 0, status: IOERR });
    }
    expect(run([header(IN, 1023)], [1024, 1]).status).toBe(IOERR);
    expect(run([header(IN)], [511, 1]).status).toBe(IOERR);
    expect(run([header(OUT, 1024), pattern(512)], [1]).status).toBe(IOERR);
    expect(run([header(OUT), pattern(513)], [1])).toMatchObject({ length: 1, status: IOERR });
    expect(device.counters()).toMatchObject({ errors: 7 });
  });

  it("refuses a request of more bytes than its limit", () => {
    const { driver, queue } = create(new MemoryBlockBackend({ sectors: 1 << 30 }));
    const page = driver.allocate(0x10_0000);
    const status = driver.allocate(1);
    const head = driver.allocate(16);
    driver.memory.write(head, header(IN));
    queue.setDescriptor(0, { address: head, length: 16, flags: 1, next: 1 });
    const parts = BLOCK_REQUEST_MAX / 0x10_0000 + 1;
    for (let i = 1; i <= parts; i++) {
      queue.setDescriptor(i, { address: page, length: 0x10_0000, flags: 3, next: i + 1 });
    }
    queue.setDescriptor(parts + 1, { address: status, length: 1, flags: 2 });
    queue.offer(0);
    queue.kick();
    expect(queue.poll()).toEqual([{ id: 0, length: 0 }]);
    expect(driver.memory.readU8(status)).toBe(IOERR);
  });

  it("answers requests without a header or without a status", () => {
    const { run } = create();
    expect(run([header(IN).subarray(0, 15)], [1])).toMatchObject({ length: 1, status: IOERR });
    expect(run([], [512, 1])).toMatchObject({ length: 0, status: IOERR });
    expect(run([header(IN)], []).length).toBe(0);
    expect(run([header(FLUSH)], [1]).status).toBe(OK);
  });

  it("refuses unknown types", () => {
    const { run } = create();
    for (const type of [2, 3, 5, 10, 14, 99, 0x8000_0000]) {
      expect(run([header(type)], [1])).toMatchObject({ length: 1, status: UNSUPP });
    }
  });

  it("gives its id", () => {
    const { run } = create(
      new MemoryBlockBackend({ sectors: 8, id: "a serial number of 28 bytes" }),
    );
    const { data, length, status } = run([header(GET_ID)], [20, 1]);
    expect([length, status]).toEqual([21, OK]);
    expect(new TextDecoder().decode(data.subarray(0, 20))).toBe("a serial number of 2");
    expect(run([header(GET_ID)], [5, 1])).toMatchObject({ length: 6, status: OK });
  });

  it("never changes a read-only disk", () => {
    const { driver, run } = create(new MemoryBlockBackend({ sectors: 8, readOnly: true }));
    expect(driver.offered() & bit(BlockFeature.RO)).toBeTruthy();
    expect(run([header(OUT), pattern(512)], [1]).status).toBe(IOERR);
    expect(run([header(WRITE_ZEROES), segment(0, 1)], [1]).status).toBe(UNSUPP);
    expect(run([header(IN)], [512, 1]).data.every((b) => b === 0)).toBe(true);
  });
});

describe("discard and write zeroes", () => {
  it("zero what they name", () => {
    const { run } = create();
    run([header(OUT, 0), pattern(2048)], [1]);
    expect(run([header(WRITE_ZEROES), segment(0, 1, 1), segment(2, 1)], [1]).status).toBe(OK);
    expect(run([header(DISCARD), segment(3, 1)], [1]).status).toBe(OK);
    const { data } = run([header(IN, 0)], [2048, 1]);
    expect(data.subarray(0, 512).every((b) => b === 0)).toBe(true);
    expect(data.subarray(512, 1024)).toEqual(pattern(2048).subarray(512, 1024));
    expect(data.subarray(1024, 2048).every((b) => b === 0)).toBe(true);
  });

  it("refuse unknown flags, and unmap on discard, before any effect", () => {
    const { run } = create();
    run([header(OUT, 0), pattern(512)], [1]);
    expect(run([header(DISCARD), segment(0, 1), segment(0, 1, 1)], [1]).status).toBe(UNSUPP);
    expect(run([header(WRITE_ZEROES), segment(0, 1), segment(0, 1, 2)], [1]).status).toBe(UNSUPP);
    expect(run([header(IN)], [512, 1]).data.subarray(0, 512)).toEqual(pattern(512));
  });

  it("refuse ranges beyond the disk and beyond their limits", () => {
    const { run } = create(new MemoryBlockBackend({ sectors: 2 * BLOCK_ZERO_SECTORS_MAX }));
    const bad = [
      [segment(2 * BLOCK_ZERO_SECTORS_MAX, 1)],
      [segment(0, BLOCK_ZERO_SECTORS_MAX + 1)],
      [segment(0, 1).subarray(0, 15)],
      [],
      Array.from({ length: BLOCK_SEGMENTS_MAX + 1 }, () => segment(0, 1)),
    ];
    for (const segments of bad) {
      expect(run([header(WRITE_ZEROES), ...segments], [1]).status).toBe(IOERR);
    }
    expect(run([header(WRITE_ZEROES), segment(0, BLOCK_ZERO_SECTORS_MAX)], [1]).status).toBe(OK);
  });

  it("do not exist unless negotiated", () => {
    const accept = ~(bit(BlockFeature.DISCARD) | bit(BlockFeature.WRITE_ZEROES));
    const { run } = create(undefined, accept);
    expect(run([header(DISCARD), segment(0, 1)], [1]).status).toBe(UNSUPP);
    expect(run([header(WRITE_ZEROES), segment(0, 1)], [1]).status).toBe(UNSUPP);
  });
});

describe("slow backends", () => {
  it("complete in any order", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = create(backend);
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
    const { run } = create(backend);
    expect(run([header(IN)], [512, 1]).status).toBe(IOERR);
  });

  it("never touch a guest that has reset the device", async () => {
    const backend = new DeferredBackend();
    const { queue, driver } = create(backend);
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
    const { queue, driver } = create(backend);
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
    const { queue, driver } = create(backend);
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
    const { driver, queue } = create(backend);
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
    const { queue } = create(backend);
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

  it("is written through when the driver turns it off or cannot flush", async () => {
    const off = new DeferredBackend();
    const { queue, driver } = create(off);
    expect(driver.config(32, 1)).toBe(1);
    driver.writeConfig(32, 1, 0);
    expect(driver.config(32, 1)).toBe(0);
    queue.add([header(OUT), pattern(512)], [1]);
    queue.kick();
    off.waiting[0].resolve();
    await settle();
    expect(queue.poll()).toHaveLength(0);
    off.waiting[1].resolve();
    await settle();
    expect(off.log).toEqual(["write 0", "flush"]);
    expect(queue.poll()).toHaveLength(1);
    driver.start();
    expect(driver.config(32, 1)).toBe(1);

    const unable = new DeferredBackend();
    const accept = ~(bit(BlockFeature.FLUSH) | bit(BlockFeature.CONFIG_WCE));
    const other = create(unable, accept);
    other.queue.add([header(OUT), pattern(512)], [1]);
    other.queue.kick();
    unable.waiting[0].resolve();
    await settle();
    expect(unable.log).toEqual(["write 0", "flush"]);
  });
});

describe("block configuration", () => {
  it("describes the disk", () => {
    const { driver } = create();
    expect([driver.config(0, 4), driver.config(4, 4)]).toEqual([1024, 0]);
    expect(driver.config(12, 4)).toBe(254);
    expect(driver.config(20, 4)).toBe(512);
    expect(driver.config(24, 1)).toBe(3);
  });

  it("announces another capacity", () => {
    const backend = new DeferredBackend();
    const device = new BlockDevice("blk0", backend);
    const driver = new TestDriver(device).start();
    backend.sectors = 2 ** 33 + 5;
    device.resized();
    expect(driver.acknowledge()).toBe(2);
    expect([driver.config(0, 4), driver.config(4, 4)]).toEqual([5, 2]);
  });

  it("refuses CONFIG_WCE without FLUSH", () => {
    const driver = new TestDriver(new BlockDevice("blk0", new DeferredBackend()));
    expect(driver.negotiate(~bit(BlockFeature.FLUSH))).toBe(false);
    expect(driver.negotiate()).toBe(true);
  });
});
