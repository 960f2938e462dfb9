import { describe, expect, it } from "vitest";
import { bit, bits, InterruptBit, Register } from "../spec.ts";
import { DeferredBackend, header, pattern, startBlock } from "../testing/block-driver.ts";
import { TestDriver } from "../testing/driver.ts";
import { BlockDevice } from "./block.ts";
import type { BlockBackend } from "./block-backend.ts";
import { BLOCK_QUEUES_MAX, BlockConfig, BlockFeature } from "./block-config.ts";
import { BlockStatus, BlockType } from "./block-request.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

describe("block configuration", () => {
  it("describes the disk", () => {
    const { driver } = startBlock();
    const fields = [
      [BlockConfig.CAPACITY, 4, 1024],
      [BlockConfig.CAPACITY + 4, 4, 0],
      [BlockConfig.SIZE_MAX, 4, 0x40_0000],
      [BlockConfig.SEG_MAX, 4, 254],
      [BlockConfig.BLK_SIZE, 4, 512],
      [BlockConfig.PHYSICAL_BLOCK_EXP, 1, 3],
      [BlockConfig.MIN_IO_SIZE, 2, 8],
      [BlockConfig.OPT_IO_SIZE, 4, 128],
      [BlockConfig.NUM_QUEUES, 2, 4],
      [BlockConfig.MAX_DISCARD_SECTORS, 4, 0x40_0000],
      [BlockConfig.MAX_DISCARD_SEG, 4, 16],
      [BlockConfig.DISCARD_SECTOR_ALIGNMENT, 4, 8],
      [BlockConfig.MAX_WRITE_ZEROES_SECTORS, 4, 0x40_0000],
      [BlockConfig.MAX_WRITE_ZEROES_SEG, 4, 16],
      [BlockConfig.WRITE_ZEROES_MAY_UNMAP, 1, 1],
      [BlockConfig.MAX_SECURE_ERASE_SECTORS, 4, 0x40_0000],
      [BlockConfig.MAX_SECURE_ERASE_SEG, 4, 16],
      [BlockConfig.SECURE_ERASE_SECTOR_ALIGNMENT, 4, 8],
      [BlockConfig.SIZE, 4, 0],
    ] as const;
    for (const [offset, size, value] of fields) {
      expect(driver.config(offset, size), `offset ${offset}`).toBe(value);
    }
  });

  it("has blocks of 4 KiB where asked to", () => {
    const { driver } = startBlock(undefined, { blockSize: 4096, queues: 2 });
    expect(driver.queues).toHaveLength(2);
    expect(driver.config(BlockConfig.NUM_QUEUES, 2)).toBe(2);
    expect(driver.config(BlockConfig.BLK_SIZE, 4)).toBe(4096);
    expect(driver.config(BlockConfig.PHYSICAL_BLOCK_EXP, 1)).toBe(0);
    expect(driver.config(BlockConfig.MIN_IO_SIZE, 2)).toBe(1);
    expect(driver.config(BlockConfig.OPT_IO_SIZE, 4)).toBe(16);
  });

  it("refuses impossible options", () => {
    const backend = new DeferredBackend();
    for (const queues of [0, -1, 1.5, BLOCK_QUEUES_MAX + 1, Number.NaN]) {
      expect(() => new BlockDevice("blk0", backend, { queues })).toThrow(RangeError);
    }
    for (const blockSize of [0, 256, 520, 8192, -512]) {
      expect(() => new BlockDevice("blk0", backend, { blockSize })).toThrow(RangeError);
    }
  });

  it("offers what the backend can do", () => {
    const { DISCARD, WRITE_ZEROES, SECURE_ERASE, LIFETIME, RO } = BlockFeature;
    const optional = bits(DISCARD, WRITE_ZEROES, SECURE_ERASE, LIFETIME, RO);
    const offered = (backend: BlockBackend) => new BlockDevice("blk0", backend).features & optional;
    const memory = new MemoryBlockBackend({ sectors: 8 });
    expect(offered(memory)).toBe(bits(DISCARD, WRITE_ZEROES, SECURE_ERASE));
    expect(offered(new MemoryBlockBackend({ sectors: 8, readOnly: true }))).toBe(bit(RO));
    expect(offered(new DeferredBackend())).toBe(0n);
    const wear = { preEol: 1, wearA: 0, wearB: 0 };
    const worn = Object.assign(new DeferredBackend(), { lifetime: () => wear });
    expect(offered(worn)).toBe(bit(LIFETIME));
  });

  it("tells how the backend wants discards aligned", () => {
    const backend = Object.assign(new DeferredBackend(), { discardAlignment: 64 });
    const { driver } = startBlock(backend);
    expect(driver.config(BlockConfig.DISCARD_SECTOR_ALIGNMENT, 4)).toBe(64);
  });
});

describe("another capacity", () => {
  it("is announced", () => {
    const backend = new DeferredBackend();
    const { device, driver } = startBlock(backend);
    const generation = driver.read(Register.ConfigGeneration);
    backend.sectors = 2 ** 33 + 5;
    device.resized();
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    expect([driver.config(0, 4), driver.config(4, 4)]).toEqual([5, 2]);
    expect(driver.read(Register.ConfigGeneration)).not.toBe(generation);
  });

  it("is there for a driver that comes later, without an interrupt", () => {
    const backend = new DeferredBackend();
    const device = new BlockDevice("blk0", backend);
    const driver = new TestDriver(device);
    backend.sectors = 7;
    device.resized();
    expect(driver.irq.pulses).toBe(0);
    expect(driver.start().config(0, 4)).toBe(7);
  });

  it("holds at once for every request", () => {
    const backend = new MemoryBlockBackend({ sectors: 8 });
    const { device, run } = startBlock(backend);
    expect(run([header(BlockType.OUT, 8), pattern(512)], [1]).status).toBe(BlockStatus.IOERR);
    backend.sectors = 9;
    device.resized();
    expect(run([header(BlockType.OUT, 8), pattern(512)], [1]).status).toBe(BlockStatus.OK);
    backend.sectors = 8;
    device.resized();
    expect(run([header(BlockType.IN, 8)], [512, 1]).status).toBe(BlockStatus.IOERR);
  });
});
