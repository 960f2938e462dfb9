import { describe, expect, it } from "vitest";
import { WINDOW_BLOCK_BYTES as BLOCK } from "../../memory/memory-window.ts";
import { RAM_BASE, settle, TestDriver } from "../testing/driver.ts";
import type { BlockBackend } from "./block-backend.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";
import { PMEM_TRANSFER_MAX, PmemDevice, PmemRequest, PmemResult } from "./pmem.ts";

const PAGE = 4096;
const WINDOW = RAM_BASE + BLOCK;

const word = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);

/** A disk that notes what is done to it, and does it when it is told to. */
class SlowDisk extends MemoryBlockBackend {
  readonly log: string[] = [];
  fails = false;
  #held: (() => void)[] = [];
  isHeld = false;

  override async write(sector: number, source: readonly Uint8Array[]): Promise<void> {
    const bytes = source.reduce((sum, part) => sum + part.length, 0);
    this.log.push(`write ${sector}+${bytes / 512}`);
    super.write(sector, source);
    await this.#wait();
  }

  override async flush(): Promise<void> {
    await this.#wait();
    this.log.push("flush");
  }

  release(): void {
    this.isHeld = false;
    for (const go of this.#held.splice(0)) go();
  }

  async #wait(): Promise<void> {
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.fails) throw new Error("the disk is full");
  }
}

function contents(backend: BlockBackend, sector: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const write = (offset: number, part: Uint8Array) => bytes.set(part, offset);
  void backend.read(sector, { length, alive: true, write, zero: () => {} });
  return bytes;
}

const same = (a: Uint8Array, b: Uint8Array) => a.every((byte, i) => byte === b[i]);

interface Options {
  readonly packed?: boolean;
  readonly sectors?: number;
  readonly readOnly?: boolean;
  readonly image?: Uint8Array;
}

async function create({ packed = false, sectors = BLOCK / 512, ...more }: Options = {}) {
  const disk = new SlowDisk({ sectors, ...more });
  let device!: PmemDevice;
  const driver = new TestDriver(
    (memory, offset) => {
      const window = memory.addWindow({ base: WINDOW, size: BLOCK, offset });
      device = new PmemDevice("pmem0", { memory, window, backend: disk });
      return device;
    },
    { packed, windowSize: BLOCK },
  );
  await device.load();
  driver.start();
  const [queue] = driver.queues;
  const request = (readable: Uint8Array[], writable: number[]) => {
    const made = queue.add(readable, writable);
    queue.kick();
    return made;
  };
  const flush = async () => {
    const made = request([word(PmemRequest.FLUSH)], [4]);
    await settle(60);
    expect(queue.poll()).toEqual([{ id: made.id, length: 4 }]);
    return new Uint32Array(queue.written(made).buffer)[0];
  };
  return { disk, device, driver, queue, request, flush };
}

describe.each([false, true])("persistent memory, packed rings %s", (packed) => {
  it("holds the disk, and stores what was written", async () => {
    const image = new Uint8Array(BLOCK).map((_, i) => i >> 12);
    const { disk, driver, flush } = await create({ packed, image });
    expect(same(driver.bytesAt(WINDOW, BLOCK), image)).toBe(true);
    expect(await flush()).toBe(PmemResult.OK);
    expect(disk.log).toEqual(["flush"]);
    driver.memory.write(WINDOW + 5 * PAGE - 2, Uint8Array.of(1, 2, 3, 4));
    driver.memory.write(WINDOW + 9 * PAGE, Uint8Array.of(5));
    expect(same(contents(disk, 39, 1024), image.subarray(39 * 512, 41 * 512))).toBe(true);
    expect(await flush()).toBe(PmemResult.OK);
    expect(disk.log.slice(1)).toEqual(["write 32+16", "write 72+8", "flush"]);
    expect(same(contents(disk, 0, BLOCK), driver.bytesAt(WINDOW, BLOCK))).toBe(true);
    expect(await flush()).toBe(PmemResult.OK);
    expect(disk.log.slice(4)).toEqual(["flush"]);
  });

  it("refuses requests that make no sense", async () => {
    const { queue, request } = await create({ packed });
    const bad = [
      request([word(7)], [4]),
      request([Uint8Array.of(0, 0)], [4]),
      request([word(0)], [3]),
      request([word(0)], []),
      request([], [4]),
    ];
    expect(queue.poll().map(({ length }) => length)).toEqual([4, 4, 0, 0, 4]);
    expect(new Uint32Array(queue.written(bad[0]).buffer)[0]).toBe(PmemResult.FAILED);
  });
});

describe("persistent memory", () => {
  it("says where it is, in both ways", async () => {
    const { device, driver } = await create();
    expect(driver.config(0, 4) + driver.config(4, 4) * 2 ** 32).toBe(WINDOW);
    expect(driver.config(8, 4)).toBe(BLOCK);
    expect(device.sharedMemory).toEqual([{ id: 0, base: WINDOW, length: BLOCK }]);
  });

  it("answers a flush only when everything is durable", async () => {
    const { disk, driver, queue, request } = await create();
    disk.isHeld = true;
    driver.memory.write(WINDOW, Uint8Array.of(1));
    request([word(0)], [4]);
    await settle();
    expect(queue.poll()).toEqual([]);
    // Written after the request: for the next one, which waits for the first.
    driver.memory.write(WINDOW + PAGE, Uint8Array.of(2));
    request([word(0)], [4]);
    request([word(0)], [4]);
    await settle();
    expect(disk.log).toEqual(["write 0+8"]);
    disk.release();
    await settle(100);
    expect(queue.poll()).toHaveLength(3);
    expect(disk.log).toEqual(["write 0+8", "flush", "write 8+8", "flush"]);
  });

  it("tries again what could not be stored", async () => {
    const { disk, device, driver, flush } = await create();
    driver.memory.write(WINDOW, Uint8Array.of(1));
    disk.fails = true;
    expect(await flush()).toBe(PmemResult.FAILED);
    driver.memory.write(WINDOW + PAGE, Uint8Array.of(1));
    expect(await flush()).toBe(PmemResult.FAILED);
    await expect(device.flush()).rejects.toThrow("full");
    expect(device.counters()).toMatchObject({ unsavedPages: 2, failedFlushes: 3 });
    disk.fails = false;
    disk.log.length = 0;
    expect(await flush()).toBe(PmemResult.OK);
    expect(disk.log).toEqual(["write 0+16", "flush"]);
    expect(device.counters().unsavedPages).toBe(0);
  });

  it("never says that something is safe which is not", async () => {
    const readOnly = await create({ readOnly: true });
    expect(await readOnly.flush()).toBe(PmemResult.OK);
    readOnly.driver.memory.write(WINDOW, Uint8Array.of(1));
    expect(await readOnly.flush()).toBe(PmemResult.FAILED);
    const short = await create({ sectors: 9 });
    short.driver.memory.write(WINDOW + PAGE, new Uint8Array(512).fill(1));
    expect(await short.flush()).toBe(PmemResult.OK);
    expect(short.disk.log).toEqual(["write 8+1", "flush"]);
    short.driver.memory.write(WINDOW + PAGE + 512, Uint8Array.of(1));
    expect(await short.flush()).toBe(PmemResult.FAILED);
    short.driver.memory.write(WINDOW + PAGE + 512, Uint8Array.of(0));
    short.driver.memory.write(WINDOW + 2 * PAGE, Uint8Array.of(1));
    expect(await short.flush()).toBe(PmemResult.FAILED);
  });

  it("hands the disk so many bytes at once", async () => {
    const { disk, driver, flush } = await create();
    driver.memory.write(WINDOW, new Uint8Array(BLOCK).fill(3));
    expect(await flush()).toBe(PmemResult.OK);
    const sectors = PMEM_TRANSFER_MAX / 512;
    expect(disk.log).toEqual([`write 0+${sectors}`, `write ${sectors}+${sectors}`, "flush"]);
  });

  it("forgets requests at a reset, but not what was written", async () => {
    const { disk, driver, queue, request } = await create();
    disk.isHeld = true;
    driver.memory.write(WINDOW, Uint8Array.of(1));
    request([word(0)], [4]);
    request([word(0)], [4]);
    driver.start();
    const used = driver.bytesAt(queue.used, 64);
    disk.release();
    await settle(60);
    expect(driver.bytesAt(queue.used, 64)).toEqual(used);
    expect(driver.memory.readU8(WINDOW)).toBe(1);
    expect(contents(disk, 0, 1)[0]).toBe(1);
  });

  it("does not fit into a window that is too small", async () => {
    await expect(create({ sectors: BLOCK / 512 + 1 })).rejects.toThrow(RangeError);
  });
});

it("has a seal of what is stored, which includes what the guest wrote last", async () => {
  const { disk, device, driver, request } = await create();
  driver.memory.write(WINDOW, Uint8Array.of(7));
  const made = request([word(PmemRequest.FLUSH)], [4]);
  expect(device.underWay).toBeGreaterThan(0);
  await settle(60);
  expect([device.underWay, driver.queues[0].poll()[0].id]).toEqual([0, made.id]);
  driver.memory.write(WINDOW, Uint8Array.of(8));
  const sealing = device.seal();
  await settle(60);
  const seal = await sealing;
  expect(contents(disk, 0, 1)[0]).toBe(8);
  expect(await device.sealed()).toBe(seal);
  await disk.write(0, [new Uint8Array(512)]);
  await settle(60);
  expect(await device.sealed()).not.toBe(seal);
});
