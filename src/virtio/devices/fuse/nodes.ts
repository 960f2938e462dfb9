/** Which inodes and open files the guest knows, by the numbers that it has for them. */
import { HostError } from "../host-tree/errno.ts";
import { type HostFile, OPEN_FILES_MAX } from "../host-tree/host-tree.ts";
import type { DirectoryListing } from "../host-tree/listing.ts";
import { abandon, type Opened } from "../host-tree/opened.ts";
import { FUSE_ROOT_ID } from "./abi.ts";

/** Inodes that the guest may hold: an inode costs it a kilobyte of its RAM, and the host 200 bytes. */
export const FUSE_NODES_MAX = 1 << 19;

interface Held {
  readonly id: number;
  readonly node: object;
  lookups: number;
}

export class NodeTable {
  readonly #byId = new Map<number, Held>();
  readonly #byNode = new Map<object, Held>();
  #lastId = FUSE_ROOT_ID;

  constructor(root: object) {
    const held = { id: FUSE_ROOT_ID, node: root, lookups: 1 };
    this.#byId.set(held.id, held);
    this.#byNode.set(root, held);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @throws HostError ESTALE */
  get(id: number): object {
    const held = this.#byId.get(id);
    if (held === undefined) throw new HostError("ESTALE");
    return held.node;
  }

  /** The number of an inode that a reply tells the guest of, once more. @throws HostError ENFILE */
  hold(node: object): number {
    const known = this.#byNode.get(node);
    if (known !== undefined) {
      known.lookups++;
      return known.id;
    }
    if (this.#byId.size >= FUSE_NODES_MAX) throw new HostError("ENFILE");
    const held = { id: ++this.#lastId, node, lookups: 1 };
    this.#byId.set(held.id, held);
    this.#byNode.set(node, held);
    return held.id;
  }

  /** The guest has forgotten that it was told of an inode so many times. */
  forget(id: number, lookups: number): void {
    const held = this.#byId.get(id);
    if (held === undefined || id === FUSE_ROOT_ID) return;
    held.lookups -= lookups;
    if (held.lookups > 0) return;
    this.#byId.delete(id);
    this.#byNode.delete(held.node);
  }
}

/** What a file handle stands for. */
export interface Handle extends Opened {
  readonly node: object;
}

export class HandleTable {
  readonly #handles = new Map<number, Handle>();
  #last = 0;
  #closed = false;

  get size(): number {
    return this.#handles.size;
  }

  /** @throws HostError ENFILE, so that a file need not be opened in vain */
  checkRoom(): void {
    if (this.#handles.size >= OPEN_FILES_MAX) throw new HostError("ENFILE");
  }

  /** @throws HostError ENFILE; the handle is closed then */
  add(handle: Handle): number {
    if (this.#closed || this.#handles.size >= OPEN_FILES_MAX) {
      abandon(handle);
      throw new HostError("ENFILE");
    }
    this.#handles.set(++this.#last, handle);
    return this.#last;
  }

  /** An open file with its inode. @throws HostError EBADF */
  opened(fh: number): { readonly node: object; readonly file: HostFile } {
    const { node, file } = this.#handles.get(fh) ?? {};
    if (node === undefined || file === undefined) throw new HostError("EBADF");
    return { node, file };
  }

  /** @throws HostError EBADF */
  listing(fh: number): DirectoryListing {
    const listing = this.#handles.get(fh)?.listing;
    if (listing === undefined) throw new HostError("EBADF");
    return listing;
  }

  /** Takes a handle out, for its owner to close. @throws HostError EBADF */
  take(fh: number): Handle {
    const handle = this.#handles.get(fh);
    if (handle === undefined) throw new HostError("EBADF");
    this.#handles.delete(fh);
    return handle;
  }

  /** Closes all; what is opened later by a request still on its way is closed at once. */
  close(): void {
    this.#closed = true;
    for (const handle of this.#handles.values()) abandon(handle);
    this.#handles.clear();
  }
}
