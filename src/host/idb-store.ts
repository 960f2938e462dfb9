/**
 * A store with idb-keyval's interface whose write transactions are durable when they complete.
 *
 * idb-keyval's own `createStore` leaves durability to the browser, which since 2024 means "handed to
 * the operating system" everywhere; and it opens a database again after the browser closed it, which
 * for a disk would turn a cleared site into a silently empty disk.
 */
import type { UseStore } from "idb-keyval";

/** The one object store of every database made here. */
const STORE_NAME = "chunks";

export interface DurableStore {
  readonly use: UseStore;
  close(): void;
}

/** Opens, or makes, database `name`. Rejects with the browser's DOMException if it cannot. */
export function openDurableStore(name: string, factory: IDBFactory): Promise<DurableStore> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE_NAME);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => resolve(storeOn(request.result));
  });
}

function storeOn(database: IDBDatabase): DurableStore {
  const use: UseStore = async (mode, callback) => {
    const transaction = database.transaction(STORE_NAME, mode, { durability: "strict" });
    return callback(transaction.objectStore(STORE_NAME));
  };
  // After an unexpected close every transaction throws InvalidStateError: an I/O error for the guest.
  return { use, close: () => database.close() };
}
