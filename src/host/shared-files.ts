/**
 * What a person shares with the guest: files, read when it wants them and changed in memory only, and
 * directories that are lent to it.
 */
import type { LazyBytes } from "../virtio/devices/host-tree/memory-content.ts";
import { type MemoryNode, MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { isShareable } from "../virtio/devices/host-tree/names.ts";
import type { SharedBlob } from "./handles/file-system-access.ts";
import { ShareTree } from "./share-tree.ts";

/**
 * Bytes that the guest may write there: they are in the tab's memory, and gone with it. What it only
 * reads takes none.
 */
const WRITTEN_MAX = 256 * 1024 * 1024;

/** Directories in directories: a person's own are never this deep. */
export const SHARED_DEPTH_MAX = 64;

export class SharedFiles {
  /** What the guest sees. */
  readonly tree: ShareTree;
  readonly #files: MemoryTree;

  constructor(nowMs: () => number) {
    this.#files = new MemoryTree({ nowMs, capacity: WRITTEN_MAX });
    this.tree = new ShareTree(this.#files, nowMs);
  }

  /**
   * Adds a file, in place of what has its name; directories on the way are made.
   * @param path names with "/" between them
   * @returns false if it cannot be there, such as for a name that is none
   */
  add(path: string, file: SharedBlob): boolean {
    const names = path.split("/");
    const last = names.pop() ?? "";
    if (![...names, last].every(isShareable) || names.length >= SHARED_DEPTH_MAX) return false;
    if (this.tree.isLent(names[0] ?? last)) return false;
    try {
      const dir = names.reduce((at, name) => this.#directory(at, name), this.#files.root);
      if (dir.entries?.has(last)) this.#files.unlink(dir, last);
      this.#files.addLazy(dir, last, bytesOf(file), file.lastModified);
      return true;
    } catch {
      // A directory has that name, a file that of a directory, or there are too many.
      return false;
    }
  }

  #directory(dir: MemoryNode, name: string): MemoryNode {
    const known = dir.entries?.get(name);
    return known ?? this.#files.mkdir(dir, name, { mode: 0o755, uid: 0, gid: 0 });
  }
}

function bytesOf(file: SharedBlob): LazyBytes {
  return {
    size: file.size,
    read: async (offset, length) =>
      new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()),
  };
}
