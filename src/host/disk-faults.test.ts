/** A guest's disk while everything under it fails: what was flushed is there, all else is an error. */
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockDevice } from "../virtio/devices/block.ts";
import { BlockStatus, BlockType } from "../virtio/devices/block-request.ts";
import { header, segment } from "../virtio/testing/block-driver.ts";
import { TestDriver } from "../virtio/testing/driver.ts";
import type { DriverRequest } from "../virtio/testing/driver-queue.ts";
import { KeyvalChunkStore } from "./chunk-store.ts";
import { ChunkedDisk } from "./chunked-disk.ts";
import { DiskBackend } from "./disk-backend.ts";
import { openDurableStore } from "./idb-store.ts";

const CHUNK = 4096;
const SECTOR = 512;
const SECTORS = (12 * CHUNK) / SECTOR;
const LONGEST = 24;

const forceClose = forceCloseDatabase as unknown as (database: IDBDatabase) => void;

/** How the next transactions of IndexedDB go wrong. */
type Fault = "abort" | "quota" | "put throws" | "read fails" | "closed";
const FAULTS: readonly Fault[] = ["abort", "quota", "put throws", "read fails", "closed"];

type Step =
  | { kind: "write" | "zero" | "discard"; sector: number; count: number }
  | { kind: "flush" | "read all" | "pass time" | "crash" | "wait" }
  | { kind: "fault"; fault: Fault };

const range = fc.record({
  sector: fc.integer({ min: 0, max: SECTORS - LONGEST }),
  count: fc.integer({ min: 1, max: LONGEST }),
});
const change = (kind: "write" | "zero" | "discard") => range.map((r) => ({ kind, ...r }) as Step);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: change("write") },
  { weight: 2, arbitrary: change("zero") },
  { weight: 2, arbitrary: change("discard") },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: "flush" }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "read all" }) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: "wait" }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "pass time" }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: "crash" }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(...FAULTS).map((fault): Step => ({ kind: "fault", fault })),
  },
);

/** An IndexedDB whose next transaction fails as told. */
class FaultyFactory {
  readonly factory = new IDBFactory();
  readonly #databases: IDBDatabase[] = [];
  readonly #running = new Set<IDBTransaction>();
  #fault: Fault | undefined;

  constructor() {
    const open = this.factory.open.bind(this.factory);
    this.factory.open = (name, version) => {
      const request = open(name, version);
      request.addEventListener("success", () => this.#adopt(request.result));
      return request;
    };
  }

  arm(fault: Fault): void {
    if (fault === "closed") forceClose(this.#databases.at(-1)!);
    else this.#fault = fault;
  }

  disarm(): void {
    this.#fault = undefined;
  }

  /** A crash: what was not committed is as if it never was. */
  crash(): void {
    this.disarm();
    for (const transaction of this.#running) giveUp(transaction);
    this.#running.clear();
    forceClose(this.#databases.at(-1)!);
  }

  #adopt(database: IDBDatabase): void {
    this.#databases.push(database);
    const begin = database.transaction.bind(database);
    database.transaction = (names, mode, options) => {
      const transaction = begin(names, mode, options);
      this.#running.add(transaction);
      for (const end of ["complete", "abort"]) {
        transaction.addEventListener(end, () => this.#running.delete(transaction));
      }
      const isRead = mode === "readonly";
      if (this.#fault === undefined || isRead !== (this.#fault === "read fails")) {
        return transaction;
      }
      const fault = this.#fault;
      this.#fault = undefined;
      spoil(transaction, fault);
      return transaction;
    };
  }
}

function spoil(transaction: IDBTransaction, fault: Fault): void {
  const store = transaction.objectStore("chunks");
  transaction.objectStore = () => store;
  if (fault === "put throws") {
    const put = store.put.bind(store);
    let count = 0;
    // Not the first, so that a part of the transaction is there to be undone.
    store.put = (value, key) => {
      if (count++ > 0) throw new DOMException("no room", "QuotaExceededError");
      return put(value, key);
    };
    return;
  }
  if (fault === "quota") {
    Object.defineProperty(transaction, "error", {
      get: () => new DOMException("no room", "QuotaExceededError"),
    });
  }
  queueMicrotask(() => giveUp(transaction));
}

function giveUp(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It was committed, or given up, just before.
  }
}

interface Version {
  readonly value: number;
  /** When the guest was told that it is written; never for a request that failed. */
  doneAt: number;
}

/** What each sector, which holds one repeated byte, may read as. */
class Model {
  #clock = 0;
  readonly #versions: Version[][] = Array.from({ length: SECTORS }, () => [
    { value: 0, doneAt: 0 },
  ]);

  begin(sector: number, count: number, value: number): Version[] {
    return Array.from({ length: count }, (_, i) => {
      const version = { value, doneAt: Number.POSITIVE_INFINITY };
      this.#versions[sector + i].push(version);
      return version;
    });
  }

  done(versions: readonly Version[]): void {
    this.#clock++;
    for (const version of versions) version.doneAt = this.#clock;
  }

  now(): number {
    return this.#clock;
  }

  /** A flush that was sent at `time` was acknowledged: nothing older comes back. */
  flushed(time: number): void {
    for (const versions of this.#versions) {
      versions.splice(
        0,
        versions.findLastIndex(({ doneAt }) => doneAt <= time),
      );
    }
  }

  /** A running disk shows the last version that was acknowledged, or one that came later. */
  checkRead(bytes: Uint8Array): void {
    this.#check(bytes, (versions) =>
      versions.slice(versions.findLastIndex(({ doneAt }) => doneAt <= this.#clock)),
    );
  }

  /** What a crash leaves is any version since the last flush, and is what there is from now on. */
  recovered(bytes: Uint8Array): void {
    this.#check(bytes, (versions) => versions);
    for (const [sector, versions] of this.#versions.entries()) {
      versions.splice(0, versions.length, { value: bytes[sector * SECTOR], doneAt: 0 });
    }
  }

  #check(bytes: Uint8Array, allowed: (versions: Version[]) => Version[]): void {
    for (const [sector, versions] of this.#versions.entries()) {
      const part = bytes.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const values = allowed(versions).map(({ value }) => value);
      expect(new Set(part).size, `sector ${sector} is torn`).toBe(1);
      expect(values, `sector ${sector}`).toContain(part[0]);
    }
  }
}

interface Pending {
  readonly request: DriverRequest;
  /** The sectors that it changes. */
  readonly from: number;
  readonly to: number;
  readonly end: (isOk: boolean, data: Uint8Array) => void;
}

/** One guest on one disk, through crashes. */
class Trial {
  readonly idb = new FaultyFactory();
  readonly model = new Model();
  readonly counts = { ok: 0, failed: 0, faults: 0 };
  #driver!: TestDriver;
  #tab = { isDead: false };
  #pending: Pending[] = [];
  #stamp = 0;

  /** Opens what IndexedDB has, as a page does that is loaded again. */
  async mount(): Promise<void> {
    const tab = { isDead: false };
    this.#tab = tab;
    const { factory } = this.idb;
    const open: IDBFactory["open"] = (name, version) => {
      if (tab.isDead) throw new DOMException("the tab is gone", "InvalidStateError");
      const request = factory.open(name, version);
      // Whatever was on its way when the tab died finds nobody.
      request.addEventListener("success", () => tab.isDead && forceClose(request.result));
      return request;
    };
    const { use } = await openDurableStore("disk", { open } as IDBFactory);
    const disk = await ChunkedDisk.open({
      store: new KeyvalChunkStore(use),
      size: SECTORS * SECTOR,
      chunkSize: CHUNK,
      maxDirtyBytes: 5 * CHUNK,
      maxCleanBytes: 2 * CHUNK,
      writeBackMs: 2,
      onFault: () => this.counts.faults++,
    });
    const backend = new DiskBackend({
      storage: { disk, seal: async () => "", sealed: async () => undefined },
      id: "disk",
      readOnly: false,
      onActivity: () => {},
    });
    this.#driver = new TestDriver(new BlockDevice("blk0", backend), { ramSize: 0x80_0000 }).start();
    this.#pending = [];
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case "write":
      case "zero":
      case "discard":
        return this.#change(step);
      case "flush":
        return this.#flush();
      case "read all":
        return this.#readAll((bytes) => this.model.checkRead(bytes));
      case "pass time":
        return new Promise((resolve) => setTimeout(resolve, 5));
      case "wait":
        return this.idle();
      case "fault":
        return this.idb.arm(step.fault);
      case "crash":
        return this.crash();
    }
  }

  /** The tab is gone, in the middle of whatever it did. */
  async crash(): Promise<void> {
    // What is left of it in this process must not store anything any more.
    this.#tab.isDead = true;
    this.idb.crash();
    await this.mount();
    await this.#readAll((bytes) => this.model.recovered(bytes));
    await this.idle();
  }

  /** Waits until every request has its answer. */
  async idle(): Promise<void> {
    for (let i = 0; this.#pending.length > 0; i++) {
      if (i > 2000) throw new Error("a request was never answered");
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#collect();
    }
  }

  async #change({ kind, sector, count }: Extract<Step, { sector: number }>): Promise<void> {
    // Requests that run at the same time have no order, so a guest sends none that overlap.
    const overlaps = ({ from, to }: Pending) => from < sector + count && sector < to;
    if (this.#pending.some(overlaps)) await this.idle();
    this.#stamp = (this.#stamp % 255) + 1;
    const value = kind === "write" ? this.#stamp : 0;
    const versions = this.model.begin(sector, count, value);
    const data = new Uint8Array(count * SECTOR).fill(value);
    const requests = {
      write: [header(BlockType.OUT, sector), data],
      zero: [header(BlockType.WRITE_ZEROES), segment(sector, count, 1)],
      discard: [header(BlockType.DISCARD), segment(sector, count)],
    };
    // What a discard leaves in which sector is the disk's choice, so it is never "done".
    const end = (isOk: boolean) => {
      if (isOk && kind !== "discard") this.model.done(versions);
    };
    this.#send(requests[kind], [1], end, [sector, sector + count]);
  }

  #flush(): void {
    const time = this.model.now();
    this.#send([header(BlockType.FLUSH)], [1], (isOk) => {
      if (isOk) this.model.flushed(time);
    });
  }

  async #readAll(check: (bytes: Uint8Array) => void): Promise<void> {
    await this.idle();
    this.#send([header(BlockType.IN)], [SECTORS * SECTOR, 1], (isOk, data) => {
      if (isOk) check(data.subarray(0, SECTORS * SECTOR));
    });
    await this.idle();
  }

  #send(readable: Uint8Array[], writable: number[], end: Pending["end"], range = [0, 0]): void {
    const [queue] = this.#driver.splitQueues;
    const request = queue.add(readable, writable);
    this.#pending.push({ request, end, from: range[0], to: range[1] });
    queue.kick();
    this.#collect();
  }

  #collect(): void {
    const [queue] = this.#driver.splitQueues;
    for (const { id } of queue.poll()) {
      const at = this.#pending.findIndex(({ request }) => request.id === id);
      const [{ request, end }] = this.#pending.splice(at, 1);
      const data = queue.written(request);
      const isOk = data[data.length - 1] === BlockStatus.OK;
      this.counts[isOk ? "ok" : "failed"]++;
      end(isOk, data);
    }
  }
}

describe("a disk in IndexedDB that fails in every way", () => {
  it("loses nothing that it said was flushed, and goes on", { timeout: 60_000 }, async () => {
    const totals = { ok: 0, failed: 0, faults: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const trial = new Trial();
        await trial.mount();
        for (const one of steps) await trial.run(one);
        await trial.idle();
        // Whatever went wrong is over: the disk works, and keeps what it had in memory until now.
        trial.idb.disarm();
        await trial.run({ kind: "flush" });
        await trial.run({ kind: "read all" });
        await trial.crash();
        for (const key of ["ok", "failed", "faults"] as const) totals[key] += trial.counts[key];
      }),
      { numRuns: 25 },
    );
    expect(totals.ok).toBeGreaterThan(100);
    expect(totals.failed).toBeGreaterThan(0);
    expect(totals.faults).toBeGreaterThan(0);
  });
});
