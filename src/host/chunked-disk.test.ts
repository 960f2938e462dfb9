import { IDBFactory } from "fake-indexeddb";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { ReadTarget } from "./chunk-bytes.ts";
import { type ChunkChanges, type ChunkStore, KeyvalChunkStore } from "./chunk-store.ts";
import { ChunkedDisk } from "./chunked-disk.ts";
import type { BaseImage } from "./guest-disk.ts";
import { openDurableStore } from "./idb-store.ts";

const CHUNK = 4096;
const SECTOR = 512;

/** A store in memory that counts, fails on request, and keeps copies as a real one does. */
class MemoryStore implements ChunkStore {
  readonly records = new Map<number, Uint8Array<ArrayBuffer>>();
  failing = false;
  commits = 0;
  loads = 0;
  async indices(): Promise<number[]> {
    return [...this.records.keys()];
  }
  async load(indices: readonly number[]): Promise<(Uint8Array<ArrayBuffer> | undefined)[]> {
    this.loads++;
    const found = indices.map((index) => this.records.get(index)?.slice());
    await new Promise((done) => setTimeout(done, 0));
    return found;
  }
  async commit(changes: ChunkChanges): Promise<void> {
    this.commits++;
    if (this.failing) throw new DOMException("no space", "QuotaExceededError");
    for (const [index, bytes] of changes) {
      if (bytes === null) this.records.delete(index);
      else this.records.set(index, bytes.slice());
    }
    await new Promise((done) => setTimeout(done, 0));
  }
}

function open(store: ChunkStore, more: { base?: BaseImage; maxDirtyBytes?: number } = {}) {
  return ChunkedDisk.open({
    store,
    size: 64 * CHUNK,
    chunkSize: CHUNK,
    maxCleanBytes: 2 * CHUNK,
    writeBackMs: Number.POSITIVE_INFINITY,
    ...more,
  });
}

function baseOf(bytes: Uint8Array): BaseImage {
  return {
    size: bytes.length,
    identity: "test",
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

function targetOf(into: Uint8Array): ReadTarget {
  return {
    length: into.length,
    write: (at, bytes) => into.set(bytes, at),
    zero: (at, length) => into.fill(0, at, at + length),
  };
}

async function readBack(disk: ChunkedDisk, offset: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length).fill(0xaa);
  await disk.read(offset, targetOf(into));
  return into;
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

describe("ChunkedDisk", () => {
  it("reads zeros where nothing was written, without asking the store", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    expect(await readBack(disk, 100, 3 * CHUNK)).toEqual(filled(3 * CHUNK, 0));
    expect(store.loads).toBe(0);
  });

  it("keeps a write across chunks, through a flush and in a new instance", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    const data = Uint8Array.from({ length: 3 * CHUNK }, (_, i) => i * 7);
    await disk.write(CHUNK - 300, [data]);
    expect(await readBack(disk, CHUNK - 300, data.length)).toEqual(data);
    await disk.flush();
    expect(disk.dirtyBytes).toBe(0);
    expect(store.commits).toBe(1);
    expect(await readBack(await open(store), CHUNK - 300, data.length)).toEqual(data);
  });

  it("gathers the chunks of one read in one load, and shares loads under way", async () => {
    const store = new MemoryStore();
    const first = await open(store);
    await first.write(0, [filled(8 * CHUNK, 1)]);
    await first.flush();
    const disk = await open(store);
    await Promise.all([readBack(disk, 0, 8 * CHUNK), readBack(disk, CHUNK, CHUNK)]);
    expect(store.loads).toBe(1);
  });

  it("stores no chunk of zeros and frees chunks that become zero", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    await disk.write(0, [filled(2 * CHUNK, 0)]);
    await disk.flush();
    expect(store.records.size).toBe(0);
    await disk.write(0, [filled(2 * CHUNK, 5)]);
    await disk.flush();
    expect(store.records.size).toBe(2);
    await disk.writeZeroes(0, CHUNK + 10);
    await disk.flush();
    expect([...store.records.keys()]).toEqual([1]);
    expect((await readBack(disk, CHUNK, 20)).join()).toBe(
      "0,0,0,0,0,0,0,0,0,0,5,5,5,5,5,5,5,5,5,5",
    );
    await disk.discard(CHUNK, CHUNK);
    await disk.flush();
    expect(store.records.size).toBe(0);
    expect(disk.storedBytes).toBe(0);
  });

  it("discards a whole sparse disk without touching the store", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    await disk.discard(0, disk.size);
    await disk.flush();
    expect(store.commits).toBe(0);
  });

  it("is copy-on-write over a base, and zeroes over a base stay zero", async () => {
    const store = new MemoryStore();
    const base = baseOf(filled(2 * CHUNK + 100, 9));
    const disk = await open(store, { base });
    await disk.write(10, [filled(10, 1)]);
    await disk.discard(CHUNK, CHUNK);
    await disk.flush();
    const again = await open(store, { base });
    expect((await readBack(again, 8, 4)).join()).toBe("9,9,1,1");
    expect(await readBack(again, CHUNK, CHUNK)).toEqual(filled(CHUNK, 0));
    expect((await readBack(again, 2 * CHUNK + 98, 4)).join()).toBe("9,9,0,0");
  });

  it("fails the flush when the store fails, keeps the data, and stores it later", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    await disk.write(0, [filled(100, 3)]);
    store.failing = true;
    await expect(disk.flush()).rejects.toThrow("no space");
    await expect(disk.flush()).rejects.toThrow("no space");
    expect(await readBack(disk, 0, 100)).toEqual(filled(100, 3));
    store.failing = false;
    await disk.flush();
    expect(await readBack(await open(store), 0, 100)).toEqual(filled(100, 3));
  });

  it("makes writers wait at the dirty limit, and fails them when the store fails", async () => {
    const store = new MemoryStore();
    const disk = await open(store, { maxDirtyBytes: 4 * CHUNK });
    for (let i = 0; i < 16; i++) await disk.write(i * CHUNK, [filled(CHUNK, i + 1)]);
    expect(disk.dirtyBytes).toBeLessThanOrEqual(4 * CHUNK);
    expect(store.commits).toBeGreaterThan(2);
    store.failing = true;
    const writes = Array.from({ length: 8 }, async (_, i) =>
      disk.write(i * CHUNK, [filled(CHUNK, 99)]),
    );
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.some((outcome) => outcome.status === "rejected")).toBe(true);
  });

  it("stores while a writer goes on, and leaves a store that fails to the timer", async () => {
    const store = new MemoryStore();
    const disk = await open(store, { maxDirtyBytes: 8 * CHUNK });
    const write = (i: number) => disk.write(i * CHUNK, [filled(CHUNK, 1)]);
    expect(write(0)).toBeUndefined();
    expect(store.commits).toBe(0);
    expect(write(1)).toBeUndefined();
    expect(store.commits).toBe(1);
    // One at a time.
    for (const i of [2, 3, 4]) expect(write(i)).toBeUndefined();
    expect(store.commits).toBe(1);
    await disk.flush();
    expect(store.records.size).toBe(5);
    store.failing = true;
    for (const i of [5, 6]) await write(i);
    await new Promise((done) => setTimeout(done, 0));
    const { commits } = store;
    for (const i of [7, 8, 9]) await write(i);
    expect(store.commits).toBe(commits);
    store.failing = false;
    await disk.flush();
    expect(store.records.size).toBe(10);
  });

  it("gathers what is read while the store is busy, and asks before what is stored after", async () => {
    const store = new MemoryStore();
    for (let i = 0; i < 8; i++) store.records.set(i, filled(CHUNK, i + 1));
    const disk = await open(store);
    const reads = [1, 3, 5].map((i) => readBack(disk, i * CHUNK, 1));
    await disk.discard(CHUNK, CHUNK);
    const flushed = disk.flush();
    expect((await Promise.all(reads)).flatMap((bytes) => [...bytes])).toEqual([2, 4, 6]);
    expect(store.loads).toBe(2);
    await flushed;
    expect(await readBack(disk, CHUNK, 1)).toEqual(filled(1, 0));
  });

  it("keeps both of two writes to one chunk that wait for room together", async () => {
    const store = new MemoryStore();
    const disk = await open(store, { maxDirtyBytes: CHUNK });
    await disk.write(0, [filled(CHUNK, 1)]);
    const first = disk.write(CHUNK, [filled(10, 2)]);
    const second = disk.write(CHUNK + 10, [filled(10, 3)]);
    await Promise.all([first, second]);
    expect((await readBack(disk, CHUNK + 9, 3)).join()).toBe("2,3,3");
  });

  it("lets one commit serve all flushes that wait for it", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    await disk.write(0, [filled(1, 1)]);
    const first = disk.flush();
    while (store.commits === 0) await Promise.resolve();
    await disk.write(0, [filled(1, 2)]);
    await Promise.all([first, disk.flush(), disk.flush()]);
    expect(store.commits).toBe(2);
    expect(store.records.get(0)?.[0]).toBe(2);
  });

  it("stores by itself after a while", async () => {
    const store = new MemoryStore();
    const disk = await ChunkedDisk.open({ store, size: CHUNK, chunkSize: CHUNK, writeBackMs: 5 });
    await disk.write(0, [filled(1, 1)]);
    await vi.waitFor(() => expect(store.commits).toBe(1));
    expect(disk.dirtyBytes).toBe(0);
  });

  it("reports a record that is gone or damaged instead of reading zeros", async () => {
    const store = new MemoryStore();
    store.records.set(3, new Uint8Array(17));
    store.records.set(4, new Uint8Array(CHUNK));
    const disk = await open(store);
    store.records.delete(4);
    await expect(readBack(disk, 3 * CHUNK, 1)).rejects.toThrow("damaged");
    await expect(readBack(disk, 4 * CHUNK, 1)).rejects.toThrow("missing");
  });

  it("answers at once what is in memory, from a source in parts that is not kept", async () => {
    const store = new MemoryStore();
    const disk = await open(store);
    const source = [filled(10, 1), filled(5, 2)];
    expect(disk.write(CHUNK - 3, source)).toBeUndefined();
    const into = new Uint8Array(4);
    expect(disk.read(CHUNK + 5, targetOf(into))).toBeUndefined();
    expect([...into]).toEqual([1, 1, 2, 2]);
    await disk.flush();
    const again = await open(store);
    const late = again.write(CHUNK, source);
    source[0].fill(9);
    source[1].fill(9);
    await late;
    expect((await readBack(again, CHUNK, 11)).join()).toBe("1,1,1,1,1,1,1,1,1,1,2");
  });

  it("refuses a range that is not on the disk", async () => {
    const disk = await open(new MemoryStore());
    await expect(readBack(disk, disk.size - 1, 2)).rejects.toThrow(RangeError);
    expect(() => disk.write(-1, [filled(1, 1)])).toThrow(RangeError);
  });
});

type Step =
  | { kind: "write"; sector: number; count: number }
  | { kind: "zero"; sector: number; count: number }
  | { kind: "discard"; sector: number; count: number }
  | { kind: "flush" }
  | { kind: "fail" }
  | { kind: "crash" };

const SECTORS = (16 * CHUNK) / SECTOR;
const range = fc.record({
  sector: fc.integer({ min: 0, max: SECTORS - 40 }),
  count: fc.integer({ min: 1, max: 40 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: range.map((r) => ({ kind: "write" as const, ...r })) },
  { weight: 1, arbitrary: range.map((r) => ({ kind: "zero" as const, ...r })) },
  { weight: 1, arbitrary: range.map((r) => ({ kind: "discard" as const, ...r })) },
  { weight: 2, arbitrary: fc.constant({ kind: "flush" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "fail" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "crash" as const }) },
);

/**
 * Each sector holds one repeated byte. `possible` is what it may read as after a crash: what the last
 * acknowledged flush made durable, and everything written since.
 */
class Model {
  readonly current = new Uint8Array(SECTORS);
  readonly possible = Array.from({ length: SECTORS }, () => new Set([0]));
  set(sector: number, value: number): void {
    this.current[sector] = value;
    this.possible[sector].add(value);
  }
  flushed(): void {
    this.possible.forEach((values, sector) => {
      values.clear();
      values.add(this.current[sector]);
    });
  }
  /** Adopts what a crash left. */
  recovered(bytes: Uint8Array): void {
    for (let sector = 0; sector < SECTORS; sector++) {
      const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      expect(new Set(part).size, `sector ${sector} is torn`).toBe(1);
      expect([...this.possible[sector]], `sector ${sector}`).toContain(part[0]);
      this.current[sector] = part[0];
    }
    this.flushed();
  }
  bytes(): Uint8Array {
    const bytes = new Uint8Array(SECTORS * SECTOR);
    for (let s = 0; s < SECTORS; s++) bytes.fill(this.current[s], s * SECTOR, (s + 1) * SECTOR);
    return bytes;
  }
}

/** Passes everything on until told to fail the next commit, as a full quota does. */
class FlakyStore implements ChunkStore {
  readonly #inner: ChunkStore;
  failNext = false;
  /** Set when the tab is gone: nothing more arrives, nothing more answers. */
  dead = false;
  constructor(inner: ChunkStore) {
    this.#inner = inner;
  }
  indices(): Promise<number[]> {
    return this.#inner.indices();
  }
  load(indices: readonly number[]): Promise<(Uint8Array<ArrayBuffer> | undefined)[]> {
    return this.#inner.load(indices);
  }
  commit(changes: ChunkChanges): Promise<void> {
    if (this.dead) return new Promise(() => {});
    if (!this.failNext) return this.#inner.commit(changes);
    this.failNext = false;
    return Promise.reject(new DOMException("no space", "QuotaExceededError"));
  }
}

class Trial {
  readonly #model = new Model();
  readonly #chunks: ChunkStore;
  #store: FlakyStore;
  #disk: ChunkedDisk;
  #stamp = 0;
  private constructor(chunks: ChunkStore, store: FlakyStore, disk: ChunkedDisk) {
    this.#chunks = chunks;
    this.#store = store;
    this.#disk = disk;
  }
  static async start(): Promise<Trial> {
    const { use } = await openDurableStore("trial", new IDBFactory());
    const chunks = new KeyvalChunkStore(use);
    const store = new FlakyStore(chunks);
    return new Trial(chunks, store, await Trial.#mount(store));
  }
  static #mount(store: ChunkStore): Promise<ChunkedDisk> {
    return ChunkedDisk.open({
      store,
      size: SECTORS * SECTOR,
      chunkSize: CHUNK,
      maxDirtyBytes: 6 * CHUNK,
      maxCleanBytes: 3 * CHUNK,
      writeBackMs: 1,
    });
  }
  async run(step: Step): Promise<void> {
    if (step.kind === "fail") this.#store.failNext = true;
    else if (step.kind === "crash") await this.#crash();
    else if (step.kind === "flush") await this.#flush();
    else await this.#change(step);
  }
  async check(): Promise<void> {
    expect(await readBack(this.#disk, 0, this.#disk.size)).toEqual(this.#model.bytes());
    this.#store.failNext = false;
    await this.#disk.flush();
  }
  async #flush(): Promise<void> {
    await this.#disk.flush().then(
      () => this.#model.flushed(),
      () => {},
    );
  }
  async #change(step: Extract<Step, { sector: number }>): Promise<void> {
    const { kind, sector, count } = step;
    this.#stamp = (this.#stamp % 255) + 1;
    const value = kind === "write" ? this.#stamp : 0;
    const [offset, length] = [sector * SECTOR, count * SECTOR];
    if (kind === "discard") {
      // Which sectors read as zeros afterwards is the disk's choice: whole chunks only.
      for (let s = sector; s < sector + count; s++) {
        const chunk = Math.floor((s * SECTOR) / CHUNK);
        const isWhole = chunk * CHUNK >= offset && (chunk + 1) * CHUNK <= offset + length;
        if (isWhole) this.#model.set(s, 0);
      }
      return this.#disk.discard(offset, length);
    }
    for (let s = sector; s < sector + count; s++) this.#model.set(s, value);
    const change = () =>
      kind === "write"
        ? this.#disk.write(offset, [filled(length, value)])
        : this.#disk.writeZeroes(offset, length);
    // A refused write may be there in part; the guest sees an I/O error and here writes again.
    await Promise.resolve(change()).catch(change);
  }
  /** The tab is gone: the old instance is forgotten with all it held in memory. */
  async #crash(): Promise<void> {
    this.#store.dead = true;
    this.#store = new FlakyStore(this.#chunks);
    this.#disk = await Trial.#mount(this.#store);
    this.#model.recovered(await readBack(this.#disk, 0, this.#disk.size));
  }
}

describe("ChunkedDisk over IndexedDB", () => {
  it("reads like plain memory, and a crash loses nothing that was flushed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const trial = await Trial.start();
        for (const one of steps) await trial.run(one);
        await trial.check();
      }),
      { numRuns: 10 },
    );
  });
});
