import { describe, expect, it } from "vitest";
import { bit } from "../spec.ts";
import { DeferredBackend, header, pattern, segment, startBlock } from "../testing/block-driver.ts";
import { settle } from "../testing/driver.ts";
import type { BlockBackend, BlockLifetime } from "./block-backend.ts";
import { BLOCK_SEGMENTS_MAX, BLOCK_ZERO_SECTORS_MAX, BlockFeature } from "./block-config.ts";
import { BLOCK_REQUEST_MAX, BlockStatus, BlockType } from "./block-request.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

const { IN, OUT, FLUSH, GET_ID, GET_LIFETIME, DISCARD, WRITE_ZEROES, SECURE_ERASE } = BlockType;
const { OK, IOERR, UNSUPP } = BlockStatus;

describe("block transfers", () => {
  it("reads back what it wrote, however the request is cut up", () => {
    const { run } = startBlock();
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
    const { run } = startBlock();
    expect(run([header(IN, 1023)], [512, 1])).toMatchObject({ length: 513, status: OK });
  });

  it("refuses transfers that do not fit the disk or are no whole sectors", () => {
    const { run, device } = startBlock();
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
    const { driver, queue } = startBlock(new MemoryBlockBackend({ sectors: 1 << 30 }));
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
    const { run } = startBlock();
    expect(run([header(IN).subarray(0, 15)], [1])).toMatchObject({ length: 1, status: IOERR });
    expect(run([], [512, 1])).toMatchObject({ length: 0, status: IOERR });
    expect(run([header(IN)], []).length).toBe(0);
    expect(run([header(FLUSH)], [1]).status).toBe(OK);
  });

  it("refuses unknown types", () => {
    const { run } = startBlock();
    for (const type of [2, 3, 5, 6, 7, 9, 12, 15, 17, 25, 99, 0x8000_0000]) {
      expect(run([header(type)], [1])).toMatchObject({ length: 1, status: UNSUPP });
    }
  });

  it("gives its id", () => {
    const { run } = startBlock(
      new MemoryBlockBackend({ sectors: 8, id: "a serial number of 28 bytes" }),
    );
    const { data, length, status } = run([header(GET_ID)], [20, 1]);
    expect([length, status]).toEqual([21, OK]);
    expect(new TextDecoder().decode(data.subarray(0, 20))).toBe("a serial number of 2");
    expect(run([header(GET_ID)], [5, 1])).toMatchObject({ length: 6, status: OK });
  });

  it("never changes a read-only disk, whatever the driver has accepted", () => {
    const backend = new MemoryBlockBackend({ sectors: 8, readOnly: true });
    const { driver, run } = startBlock(backend, { accept: ~bit(BlockFeature.RO) });
    expect(driver.offered() & bit(BlockFeature.RO)).toBeTruthy();
    expect(run([header(OUT), pattern(512)], [1]).status).toBe(IOERR);
    for (const type of [DISCARD, WRITE_ZEROES, SECURE_ERASE]) {
      expect(run([header(type), segment(0, 1)], [1]).status).toBe(UNSUPP);
    }
    expect(run([header(FLUSH)], [1]).status).toBe(OK);
    expect(backend.bytesHeld).toBe(0);
    expect(run([header(IN)], [512, 1]).data.every((b) => b === 0)).toBe(true);
  });
});

describe("wear", () => {
  const worn: BlockLifetime = { preEol: 2, wearA: 0x0b, wearB: 3 };
  const wearing = (): BlockBackend =>
    Object.assign(new MemoryBlockBackend({ sectors: 8 }), { lifetime: () => worn });

  it("is told as the backend tells it", () => {
    const { run } = startBlock(wearing());
    const { length, status, data } = run([header(GET_LIFETIME)], [6, 1]);
    expect([length, status, ...data.subarray(0, 6)]).toEqual([7, OK, 2, 0, 0x0b, 0, 3, 0]);
    expect(run([header(GET_LIFETIME)], [100, 1])).toMatchObject({ length: 6, status: OK });
  });

  it("is not told in part, nor unless negotiated", () => {
    expect(startBlock(wearing()).run([header(GET_LIFETIME)], [5, 1])).toMatchObject({
      length: 0,
      status: IOERR,
    });
    const accept = ~bit(BlockFeature.LIFETIME);
    const unasked = startBlock(wearing(), { accept });
    expect(unasked.run([header(GET_LIFETIME)], [6, 1])).toMatchObject({
      length: 0,
      status: UNSUPP,
    });
    expect(startBlock().run([header(GET_LIFETIME)], [6, 1]).status).toBe(UNSUPP);
  });
});

describe("discard, write zeroes and secure erase", () => {
  const ALL = [DISCARD, WRITE_ZEROES, SECURE_ERASE];

  it("zero what they name, and nothing else", () => {
    const { run } = startBlock();
    run([header(OUT, 0), pattern(3072)], [1]);
    expect(run([header(WRITE_ZEROES), segment(0, 1, 1), segment(2, 1)], [1]).status).toBe(OK);
    expect(run([header(DISCARD), segment(3, 1)], [1]).status).toBe(OK);
    expect(run([header(SECURE_ERASE), segment(4, 1), segment(6, 0)], [1]).status).toBe(OK);
    const { data } = run([header(IN, 0)], [3072, 1]);
    const isZero = (sector: number) =>
      data.subarray(512 * sector, 512 * sector + 512).every((b) => b === 0);
    expect([0, 1, 2, 3, 4, 5].map(isZero)).toEqual([true, false, true, true, true, false]);
    expect(data.subarray(512, 1024)).toEqual(pattern(3072).subarray(512, 1024));
  });

  it("tell the backend whether zeros may be holes", () => {
    const backend = new MemoryBlockBackend({ sectors: 64 });
    const asked: unknown[] = [];
    backend.writeZeroes = (...request: unknown[]) => void asked.push(request);
    const { run } = startBlock(backend);
    run([header(WRITE_ZEROES), segment(1, 2, 1), segment(5, 6, 0)], [1]);
    expect(asked).toEqual([
      [1, 2, true],
      [5, 6, false],
    ]);
  });

  it("refuse unknown flags, and unmap where it means nothing, before any effect", () => {
    const { run } = startBlock();
    run([header(OUT, 0), pattern(512)], [1]);
    for (const type of ALL) {
      const known = type === WRITE_ZEROES ? 2 : 1;
      for (const flags of [known, 0x8000_0000]) {
        const request = [header(type), segment(0, 1), segment(0, 1, flags)];
        expect(run(request, [1])).toMatchObject({ length: 1, status: UNSUPP });
      }
    }
    expect(run([header(IN)], [512, 1]).data.subarray(0, 512)).toEqual(pattern(512));
  });

  it("refuse ranges beyond the disk and beyond their limits, before any effect", () => {
    const sectors = 2 * BLOCK_ZERO_SECTORS_MAX;
    const { run } = startBlock(new MemoryBlockBackend({ sectors }));
    run([header(OUT, 0), pattern(512)], [1]);
    const bad = [
      [segment(0, 1), segment(sectors, 1)],
      [segment(0, 1), segment(sectors - 1, 2)],
      [segment(0, 1), segment(2 ** 63, 1)],
      [segment(0, 1), segment(2 ** 53 - 1, 0xffff_ffff)],
      [segment(0, BLOCK_ZERO_SECTORS_MAX + 1)],
      [segment(0, 1).subarray(0, 15)],
      [segment(0, 1), segment(0, 1).subarray(0, 1)],
      [],
      Array.from({ length: BLOCK_SEGMENTS_MAX + 1 }, () => segment(0, 1)),
    ];
    for (const type of ALL) {
      for (const segments of bad) {
        expect(run([header(type), ...segments], [1])).toMatchObject({ length: 1, status: IOERR });
      }
    }
    expect(run([header(IN)], [512, 1]).data.subarray(0, 512)).toEqual(pattern(512));
    for (const type of ALL) {
      expect(run([header(type), segment(0, BLOCK_ZERO_SECTORS_MAX)], [1]).status).toBe(OK);
    }
  });

  it("find what Linux wants erased where answers go", () => {
    const { driver, queue, run } = startBlock();
    run([header(OUT, 0), pattern(512)], [1]);
    const erase = (range: Uint8Array) => {
      const gpa = driver.allocate(33);
      driver.memory.write(gpa, header(SECURE_ERASE));
      driver.memory.write(gpa + 16, range);
      queue.setDescriptor(100, { address: gpa, length: 16, flags: 1, next: 101 });
      queue.setDescriptor(101, { address: gpa + 16, length: range.length, flags: 3, next: 102 });
      queue.setDescriptor(102, { address: gpa + 32, length: 1, flags: 2 });
      queue.offer(100);
      queue.kick();
      expect(queue.poll()).toHaveLength(1);
      return driver.memory.readU8(gpa + 32);
    };
    expect(erase(segment(0, 1).subarray(0, 15))).toBe(IOERR);
    expect(erase(segment(0, 1, 1))).toBe(UNSUPP);
    expect(erase(segment(1024, 1))).toBe(IOERR);
    expect(run([header(IN)], [512, 1]).data.subarray(0, 512)).toEqual(pattern(512));
    expect(erase(segment(0, 1))).toBe(OK);
    expect(run([header(IN)], [512, 1]).data.every((byte) => byte === 0)).toBe(true);
  });

  it("do not exist unless negotiated", () => {
    const { DISCARD: d, WRITE_ZEROES: z, SECURE_ERASE: e } = BlockFeature;
    const { run } = startBlock(undefined, { accept: ~(bit(d) | bit(z) | bit(e)) });
    for (const type of ALL) {
      expect(run([header(type), segment(0, 1)], [1])).toMatchObject({ length: 1, status: UNSUPP });
    }
  });

  it("end only when every segment has, also when one fails", async () => {
    const backend = new DeferredBackend();
    const held = Object.assign(backend, { discard: (sector: number) => backend.write(sector) });
    const { queue, device } = startBlock(held);
    queue.add([header(DISCARD), segment(1, 1), segment(2, 1)], [1]);
    queue.kick();
    backend.waiting[0].reject(new Error("disk on fire"));
    await settle();
    expect([queue.poll().length, device.counters().inFlight]).toEqual([0, 1]);
    backend.waiting[1].resolve();
    await settle();
    expect([queue.poll().length, device.counters().errors]).toEqual([1, 1]);
  });
});
