/** A guest's disk in IndexedDB while that fails: what was flushed is there, all else is an error. */
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import { describe, expect, it } from "vitest";
import { KeyvalChunkStore } from "./chunk-store.ts";
import { ChunkedDisk } from "./chunked-disk.ts";
import { openDurableStore } from "./idb-store.ts";
import { CHUNK, DISK_BYTES, endure, type TrialStorage } from "./testing/disk-trial.ts";

const forceClose = forceCloseDatabase as unknown as (database: IDBDatabase) => void;

/** How the next transactions of IndexedDB go wrong. */
type Fault = "abort" | "quota" | "put throws" | "read fails" | "closed";
const FAULTS: readonly Fault[] = ["abort", "quota", "put throws", "read fails", "closed"];

/** An IndexedDB whose next transaction fails as told. */
class FaultyFactory implements TrialStorage<Fault> {
  readonly factory = new IDBFactory();
  readonly #databases: IDBDatabase[] = [];
  readonly #running = new Set<IDBTransaction>();
  #fault: Fault | undefined;
  #tab = { isDead: false };

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

  async open(onFault: () => void): Promise<ChunkedDisk> {
    const tab = { isDead: false };
    this.#tab = tab;
    const open: IDBFactory["open"] = (name, version) => {
      if (tab.isDead) throw new DOMException("the tab is gone", "InvalidStateError");
      const request = this.factory.open(name, version);
      // Whatever was on its way when the tab died finds nobody.
      request.addEventListener("success", () => tab.isDead && forceClose(request.result));
      return request;
    };
    const { use } = await openDurableStore("disk", { open } as IDBFactory);
    return ChunkedDisk.open({
      store: new KeyvalChunkStore(use),
      size: DISK_BYTES,
      chunkSize: CHUNK,
      maxDirtyBytes: 5 * CHUNK,
      maxCleanBytes: 2 * CHUNK,
      writeBackMs: 2,
      onFault,
    });
  }

  /** What was not committed is as if it never was. */
  crash(): void {
    // What is left of the tab in this process must not store anything any more.
    this.#tab.isDead = true;
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

describe("a disk in IndexedDB that fails in every way", () => {
  it("loses nothing that it said was flushed, and goes on", { timeout: 60_000 }, async () => {
    const totals = await endure(() => new FaultyFactory(), FAULTS, 25);
    expect(totals.ok).toBeGreaterThan(100);
    expect(totals.failed).toBeGreaterThan(0);
    expect(totals.faults).toBeGreaterThan(0);
  });
});
