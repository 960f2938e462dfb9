import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import { promisifyRequest, type UseStore } from "idb-keyval";
import { beforeEach, describe, expect, it } from "vitest";
import { type DurableStore, openDurableStore } from "./idb-store.ts";

let factory: IDBFactory;
let connections: IDBDatabase[];
let store: DurableStore;

beforeEach(async () => {
  factory = new IDBFactory();
  connections = [];
  const open = factory.open.bind(factory);
  factory.open = (name, version) => {
    const request = open(name, version);
    request.addEventListener("success", () => connections.push(request.result));
    return request;
  };
  store = await openDurableStore("disk", factory);
});

const forceClose = forceCloseDatabase as unknown as (database: IDBDatabase) => void;

const put = (use: UseStore, key: number, value: unknown): Promise<void> =>
  use("readwrite", (chunks) => {
    chunks.put(value, key);
    return promisifyRequest(chunks.transaction);
  });

const get = (use: UseStore, key: number): Promise<unknown> =>
  use("readonly", (chunks) => promisifyRequest(chunks.get(key)));

describe("openDurableStore", () => {
  it("undoes everything when a part of a transaction cannot be stored", async () => {
    const failing = store.use("readwrite", (chunks) => {
      chunks.put("stays out", 1);
      throw new DOMException("no room", "QuotaExceededError");
    });
    await expect(failing).rejects.toThrow("no room");
    expect(await get(store.use, 1)).toBeUndefined();
  });

  it("names the error of a transaction that was given up", async () => {
    const failing = store.use("readwrite", (chunks) => {
      chunks.put("stays out", 1);
      chunks.transaction.abort();
      return promisifyRequest(chunks.transaction);
    });
    await expect(failing).rejects.toMatchObject({ name: "AbortError" });
    expect(await get(store.use, 1)).toBeUndefined();
  });

  it("goes on when the browser closes the database and it is still there", async () => {
    await put(store.use, 1, "kept");
    forceClose(connections[0]);
    expect(await Promise.all([get(store.use, 1), get(store.use, 1)])).toEqual(["kept", "kept"]);
    expect(connections).toHaveLength(2);
    await put(store.use, 2, "new");
    expect(await get(store.use, 2)).toBe("new");
  });

  it("makes no empty database out of one that was deleted", async () => {
    await put(store.use, 1, "lost");
    forceClose(connections[0]);
    await promisifyRequest(factory.deleteDatabase("disk"));
    await expect(put(store.use, 1, "again")).rejects.toThrow("has deleted it");
    await expect(get(store.use, 1)).rejects.toThrow("has deleted it");
    expect(await factory.databases()).toEqual([]);
  });

  it("lets nobody delete the database while it is in use", async () => {
    await put(store.use, 1, "kept");
    let isDeleted = false;
    const deleting = promisifyRequest(factory.deleteDatabase("disk")).then(() => {
      isDeleted = true;
    });
    expect(await get(store.use, 1)).toBe("kept");
    expect(isDeleted).toBe(false);
    store.close();
    await deleting;
  });

  it("stays closed once it is", async () => {
    store.close();
    await expect(get(store.use, 1)).rejects.toThrow();
    expect(connections).toHaveLength(1);
  });
});
