import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { ReadTarget } from "./chunk-bytes.ts";
import type { BaseImage } from "./guest-disk.ts";
import { SlotDisk, type SlotDiskOptions } from "./slot-disk.ts";
import { DamagedIndexError } from "./slot-table.ts";
import { FaultyFile } from "./testing/faulty-file.ts";

const CHUNK = 1024;
const CHUNKS = 40;
const SIZE = CHUNKS * CHUNK - 512;

/** A base that ends within a chunk of the disk's first half. */
const BASE = new Uint8Array(18 * CHUNK + 700).map((_, i) => (i % 255) + 1);

const random = () => 0.5;

interface Files {
  data: FaultyFile;
  index: FaultyFile;
}

const newFiles = (): Files => ({ data: new FaultyFile(random), index: new FaultyFile(random) });

const open = (files: Files, more: Partial<SlotDiskOptions> = {}) =>
  new SlotDisk({
    files,
    size: SIZE,
    chunkSize: CHUNK,
    writeBackMs: Number.POSITIVE_INFINITY,
    ...more,
  });

const baseOf = (bytes: Uint8Array): BaseImage => ({
  size: bytes.length,
  identity: "test",
  read: async (offset, length) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return bytes.slice(offset, offset + length);
  },
});

function targetOf(into: Uint8Array): ReadTarget {
  return {
    length: into.length,
    write: (at, bytes) => into.set(bytes, at),
    zero: (at, length) => into.fill(0, at, at + length),
  };
}

async function contents(disk: SlotDisk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size).fill(0xaa);
  await disk.read(0, targetOf(bytes));
  return bytes;
}

async function scanned(disk: SlotDisk, into: Uint8Array): Promise<void> {
  await disk.scan((chunk, bytes) => {
    const start = chunk * CHUNK;
    into.fill(0, start, start + CHUNK);
    into.set(bytes.subarray(0, into.length - start), start);
  });
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

const range = fc
  .tuple(fc.nat(SIZE - 1), fc.nat(5 * CHUNK))
  .map(([at, length]) => ({ at, length: Math.min(length, SIZE - at) }));

const op = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("write"), range, value: fc.nat(255) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("zero", "discard"), range }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("flush", "reopen", "scan"), range }) },
);

describe("SlotDisk", () => {
  it("reads what was written, over a base and without, also after it was closed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(op, { maxLength: 40 }), fc.boolean(), async (ops, hasBase) => {
        const files = newFiles();
        const more = { maxUnusedChunks: 0, ...(hasBase && { base: baseOf(BASE) }) };
        let disk = open(files, more);
        const model = new Uint8Array(SIZE);
        if (hasBase) model.set(BASE);
        for (const one of ops) {
          const { at, length } = one.range;
          const end = at + length;
          if (one.kind === "write" && "value" in one) {
            const bytes = filled(length, one.value);
            await disk.write(at, [bytes.subarray(0, 700), bytes.subarray(700)]);
            model.fill(one.value, at, end);
          } else if (one.kind === "zero") {
            await disk.writeZeroes(at, length);
            model.fill(0, at, end);
          } else if (one.kind === "discard") {
            disk.discard(at, length);
            const last = end === SIZE ? CHUNKS : Math.floor(end / CHUNK);
            model.fill(0, Math.min(end, Math.ceil(at / CHUNK) * CHUNK), last * CHUNK);
          } else if (one.kind === "flush") await disk.flush();
          else if (one.kind === "scan") {
            const image = new Uint8Array(SIZE);
            if (hasBase) image.set(BASE);
            await scanned(disk, image);
            expect(Buffer.compare(image, model)).toBe(0);
          } else {
            await disk.close();
            files.data = files.data.crash();
            files.index = files.index.crash();
            disk = open(files, more);
          }
        }
        expect(Buffer.compare(await contents(disk), model)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it("answers at once, save for what has to come from the base", async () => {
    const disk = open(newFiles(), { base: baseOf(BASE) });
    expect(disk.write(30 * CHUNK, [filled(100, 1)])).toBeUndefined();
    expect(disk.write(0, [filled(CHUNK, 1)])).toBeUndefined();
    expect(disk.read(0, targetOf(new Uint8Array(CHUNK)))).toBeUndefined();
    const into = new Uint8Array(4);
    const reading = disk.read(2 * CHUNK, targetOf(into));
    expect(reading).toBeInstanceOf(Promise);
    await reading;
    expect(into).toEqual(BASE.slice(2 * CHUNK, 2 * CHUNK + 4));
    expect(disk.read(2 * CHUNK, targetOf(into))).toBeUndefined();
    expect(disk.write(2 * CHUNK, [filled(1, 9)])).toBeUndefined();
  });

  it("keeps what another request wrote while it waited for the base", async () => {
    const disk = open(newFiles(), { base: baseOf(BASE) });
    const first = disk.write(100, [filled(10, 1)]);
    const second = disk.write(200, [filled(10, 2)]);
    await disk.write(3 * CHUNK, [filled(CHUNK, 3)]);
    const zeroing = disk.writeZeroes(300, CHUNK);
    await Promise.all([first, second, zeroing]);
    const bytes = await contents(disk);
    const expected = new Uint8Array(SIZE);
    expected.set(BASE);
    expected.fill(1, 100, 110);
    expected.fill(2, 200, 210);
    expected.fill(0, 300, 300 + CHUNK);
    expected.fill(3, 3 * CHUNK, 4 * CHUNK);
    expect(Buffer.compare(bytes, expected)).toBe(0);
  });

  it("fails a request whose part of the base cannot be had, and nothing else", async () => {
    const faults: string[] = [];
    const broken = { ...baseOf(BASE), read: () => Promise.reject(new Error("no network")) };
    const onFault = (_: unknown, what: string) => void faults.push(what);
    const disk = open(newFiles(), { base: broken, onFault });
    await expect(disk.read(0, targetOf(new Uint8Array(8)))).rejects.toThrow("no network");
    await expect(disk.write(1, [filled(8, 1)])).rejects.toThrow("no network");
    await disk.write(30 * CHUNK, [filled(8, 1)]);
    expect(faults).toEqual(["read", "read"]);
  });

  it("refuses what is not on the disk", () => {
    const disk = open(newFiles());
    expect(() => disk.read(SIZE - 1, targetOf(new Uint8Array(2)))).toThrow(RangeError);
    expect(() => disk.write(-1, [filled(1, 0)])).toThrow(RangeError);
    expect(() => disk.writeZeroes(SIZE, 1)).toThrow(RangeError);
    expect(() => disk.discard(0, SIZE + 1)).toThrow(RangeError);
    expect(() => disk.grow(SIZE - 1)).toThrow(RangeError);
  });

  it("shows zeros in what it has grown by", async () => {
    const files = newFiles();
    const disk = open(files);
    await disk.write(0, [filled(SIZE, 7)]);
    disk.discard(0, SIZE);
    await disk.flush();
    // The places that these get have held other bytes.
    await disk.write(SIZE - 100, [filled(100, 1)]);
    disk.grow(SIZE + CHUNK);
    const bytes = await contents(disk);
    expect(bytes.subarray(SIZE - 100, SIZE)).toEqual(filled(100, 1));
    expect(bytes.subarray(SIZE)).toEqual(filled(CHUNK, 0));
  });

  it("gives storage back that is not used any more, a part with each flush", async () => {
    const files = newFiles();
    const size = 400 * CHUNK;
    const disk = open(files, { size, maxUnusedChunks: 8 });
    await disk.write(0, [filled(size, 5)]);
    await disk.flush();
    expect(files.data.getSize()).toBe(size);
    disk.discard(0, 300 * CHUNK);
    expect(disk.storedBytes).toBe(100 * CHUNK);
    const sizes: number[] = [];
    // What is left over is moved with later flushes, though nobody writes.
    while (disk.dirtyBytes > 0) {
      await disk.flush();
      sizes.push(files.data.getSize() / CHUNK);
    }
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes.at(-1)).toBe(100);
    const bytes = await contents(disk);
    expect(bytes.subarray(300 * CHUNK)).toEqual(filled(100 * CHUNK, 5));
    expect(bytes.subarray(0, 300 * CHUNK)).toEqual(filled(300 * CHUNK, 0));
  });

  it("makes writes durable by itself after a while, and all that wait at once", async () => {
    vi.useFakeTimers();
    try {
      const files = newFiles();
      const flush = vi.spyOn(files.data, "flush");
      const disk = open(files, { writeBackMs: 1500 });
      await disk.write(0, [filled(10, 1)]);
      expect(disk.dirtyBytes).toBe(10);
      vi.advanceTimersByTime(1499);
      expect(flush).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(flush).toHaveBeenCalledTimes(1);
      expect(disk.dirtyBytes).toBe(0);
      expect(disk.flush()).toBeUndefined();
      await disk.write(0, [filled(10, 2)]);
      await Promise.all([disk.flush(), disk.flush(), disk.flush()]);
      expect(flush).toHaveBeenCalledTimes(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it("calls nothing durable any more after a flush that failed", async () => {
    const files = newFiles();
    const faults: unknown[] = [];
    const disk = open(files, { onFault: (error) => void faults.push(error) });
    await disk.write(0, [filled(10, 1)]);
    files.data.fault = "flush throws";
    await expect(disk.flush()).rejects.toThrow("error");
    await expect(disk.flush()).rejects.toThrow("error");
    await disk.write(0, [filled(10, 2)]);
    await expect(disk.flush()).rejects.toThrow("error");
    expect((await contents(disk))[0]).toBe(2);
    expect(faults).toHaveLength(3);
    await expect(disk.close()).rejects.toThrow("error");
  });

  it("goes on when there is room again", async () => {
    const files = newFiles();
    const disk = open(files);
    files.data.fault = "write throws";
    expect(() => disk.write(0, [filled(3 * CHUNK, 1)])).toThrow("error");
    expect(disk.storedBytes).toBe(0);
    expect(await contents(disk)).toEqual(filled(SIZE, 0));
    files.data.fault = "write is short";
    await disk.write(0, [filled(3 * CHUNK, 2)]);
    await disk.flush();
    expect((await contents(disk)).subarray(0, 3 * CHUNK)).toEqual(filled(3 * CHUNK, 2));
  });

  it("shows a scan the disk as it was at its beginning", async () => {
    const disk = open(newFiles(), { size: 300 * CHUNK });
    await disk.write(0, [filled(300 * CHUNK, 1)]);
    const image = new Uint8Array(300 * CHUNK);
    const scanning = scanned(disk, image);
    await new Promise((resolve) => setTimeout(resolve, 0));
    await disk.write(10 * CHUNK, [filled(290 * CHUNK, 2)]);
    disk.discard(290 * CHUNK, 10 * CHUNK);
    await scanning;
    expect(image).toEqual(filled(300 * CHUNK, 1));
  });

  it("lets a scan fail without those who write meanwhile", async () => {
    const disk = open(newFiles(), { size: 300 * CHUNK });
    await disk.write(299 * CHUNK, [filled(CHUNK, 1)]);
    const visit = () => {
      throw new Error("enough");
    };
    const scanning = disk.scan(visit);
    await new Promise((resolve) => setTimeout(resolve, 0));
    await disk.write(299 * CHUNK, [filled(CHUNK, 2)]);
    await expect(scanning).rejects.toThrow("enough");
    const image = new Uint8Array(300 * CHUNK);
    await scanned(disk, image);
    expect(image[299 * CHUNK]).toBe(2);
  });

  it("refuses an index that cannot be true", () => {
    const indices = [
      [1, 0, 0, 0, 1],
      [1, 0, 0, 0],
      [9, 0, 0, 0],
    ];
    for (const bytes of indices) {
      const files = newFiles();
      files.index.write(Uint8Array.from(bytes), { at: 0 });
      expect(() => open(files)).toThrow(DamagedIndexError);
    }
    const twice = newFiles();
    twice.data.write(filled(CHUNK, 1), { at: 0 });
    twice.index.write(Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0), { at: 0 });
    expect(() => open(twice)).toThrow(DamagedIndexError);
  });
});
