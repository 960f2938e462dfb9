/**
 * A store with idb-keyval's interface whose write transactions are durable when they complete, and
 * have no effect at all when they fail.
 *
 * idb-keyval's own `createStore` leaves durability to the browser, which since 2024 means "handed to
 * the operating system" everywhere; and it makes a database anew after the browser deleted it, which
 * for a disk would turn a cleared site into a silently empty disk.
 */
import type { UseStore } from "idb-keyval";

/** The one object store of every database made here. */
const STORE_NAME = "chunks";

export interface DurableStore {
  readonly use: UseStore;
  close(): void;
}

/**
 * Opens database `name`; one that is not there is made, or with "find" an error. Rejects with the
 * browser's DOMException if it cannot.
 */
export async function openDurableStore(
  name: string,
  factory: IDBFactory,
  how: "make" | "find" = "make",
): Promise<DurableStore> {
  return new Connection(name, factory, await connect(name, factory, how));
}

class Connection implements DurableStore {
  readonly #name: string;
  readonly #factory: IDBFactory;
  #database: IDBDatabase;
  #isOpen = true;
  #reopening: Promise<void> | undefined;

  constructor(name: string, factory: IDBFactory, database: IDBDatabase) {
    this.#name = name;
    this.#factory = factory;
    this.#database = database;
  }

  /** Begins at once, so that what is put is taken as it is at the time of the call. */
  readonly use: UseStore = async (mode, callback) => {
    const transaction = this.#begin(mode) ?? (await this.#beginAgain(mode));
    try {
      return await callback(transaction.objectStore(STORE_NAME));
    } catch (error) {
      abort(transaction);
      // A transaction that is aborted from outside has no error of its own.
      throw error ?? new DOMException("the browser gave the transaction up", "AbortError");
    }
  };

  close(): void {
    this.#isOpen = false;
    this.#database.close();
  }

  /** Undefined if the browser has closed the database: it does when the site's data is cleared. */
  #begin(mode: IDBTransactionMode): IDBTransaction | undefined {
    try {
      return this.#database.transaction(STORE_NAME, mode, { durability: "strict" });
    } catch (error) {
      const isClosed = error instanceof DOMException && error.name === "InvalidStateError";
      if (isClosed && this.#isOpen) return undefined;
      throw error;
    }
  }

  /** A browser whose storage has failed for a moment opens the same database again. */
  async #beginAgain(mode: IDBTransactionMode): Promise<IDBTransaction> {
    this.#reopening ??= this.#reopen();
    await this.#reopening;
    const transaction = this.#begin(mode);
    if (transaction !== undefined) return transaction;
    throw new DOMException("the browser closed the database", "InvalidStateError");
  }

  async #reopen(): Promise<void> {
    try {
      const database = await connect(this.#name, this.#factory, "find");
      if (this.#isOpen) this.#database = database;
      else database.close();
    } finally {
      this.#reopening = undefined;
    }
  }
}

/** With "find", a database that is not there any more is an error. */
function connect(name: string, factory: IDBFactory, how: "make" | "find"): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name);
    let isGone = false;
    request.onupgradeneeded = () => {
      isGone = how === "find";
      if (isGone) request.transaction?.abort();
      else request.result.createObjectStore(STORE_NAME);
    };
    request.onerror = () => {
      const gone = new DOMException("the browser has deleted it", "NotFoundError");
      reject(isGone ? gone : request.error);
    };
    request.onsuccess = () => resolve(request.result);
  });
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already, as one that failed by itself has.
  }
}
