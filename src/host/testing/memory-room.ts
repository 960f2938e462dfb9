/** A browser's storage for disks, in memory. */
import { IDBFactory } from "fake-indexeddb";
import type { Library } from "../disk-library.ts";
import { MemoryDirectoryHandle } from "./memory-handles.ts";
import { MemoryLocks } from "./memory-locks.ts";

/** Where a browser keeps disks: all have IndexedDB, and most have private files. */
export const PLACES = ["records", "files"] as const;

export function memoryRoom(place: (typeof PLACES)[number]): Library {
  const root = new MemoryDirectoryHandle("", { isPrivate: true, log: [] });
  return {
    factory: new IDBFactory(),
    locks: new MemoryLocks(),
    ...(place === "files" && { files: async () => root }),
  };
}
