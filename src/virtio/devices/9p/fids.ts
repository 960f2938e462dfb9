/** The files that the guest holds, by its own numbers for them: fids. */
import { HostError } from "../host-tree/errno.ts";
import { OPEN_FILES_MAX } from "../host-tree/host-tree.ts";
import { abandon, type Opened } from "../host-tree/opened.ts";

/** Fids at once: Linux holds one or two for each file in use. */
export const FIDS_MAX = 1 << 16;

/** A place in the tree, as the guest has walked to it. */
export interface Location {
  readonly node: object;
  /** Of the root: none, and the root is its own parent. */
  readonly parent: Location | undefined;
  readonly name: string;
}

/** An extended attribute that is read, or written until its fid is given back. */
export interface OpenXattr {
  readonly name: string;
  /** As large as was announced. */
  readonly value: Uint8Array;
  /** Flags of setxattr(2); undefined for one that is read. */
  readonly flags: number | undefined;
}

export interface Fid extends Opened {
  readonly location: Location;
  /** Whom the guest acts for. */
  readonly uid: number;
  readonly xattr?: OpenXattr;
}

export class FidTable {
  readonly #fids = new Map<number, Fid>();
  #open = 0;
  #closed = false;

  get size(): number {
    return this.#fids.size;
  }

  has(fid: number): boolean {
    return this.#fids.has(fid);
  }

  /** @throws HostError EBADF */
  get(fid: number): Fid {
    const found = this.#fids.get(fid);
    if (found === undefined) throw new HostError("EBADF");
    return found;
  }

  /** A fid that was walked and not opened. @throws HostError EBADF */
  closed(fid: number): Fid {
    const found = this.get(fid);
    if (isOpen(found)) throw new HostError("EBADF");
    return found;
  }

  /** @throws HostError EBADF if it is in use, ENFILE */
  checkFree(fid: number): void {
    if (this.#fids.has(fid)) throw new HostError("EBADF");
    if (this.#fids.size >= FIDS_MAX) throw new HostError("ENFILE");
  }

  /** @throws HostError ENFILE, so that a file need not be opened in vain */
  checkRoom(): void {
    if (this.#open >= OPEN_FILES_MAX) throw new HostError("ENFILE");
  }

  /** Gives a fid its meaning, a new one or another. @throws HostError ENFILE; it is closed then */
  set(fid: number, value: Fid): void {
    const before = this.#fids.get(fid);
    const isFull = before === undefined && this.#fids.size >= FIDS_MAX;
    if (this.#closed || isFull || (isOpen(value) && this.#open >= OPEN_FILES_MAX)) {
      abandon(value);
      throw new HostError("ENFILE");
    }
    if (before !== undefined) this.#uncount(before);
    if (isOpen(value)) this.#open++;
    this.#fids.set(fid, value);
  }

  /** Takes a fid out, for its owner to close. @throws HostError EBADF */
  take(fid: number): Fid {
    const found = this.get(fid);
    this.#fids.delete(fid);
    this.#uncount(found);
    return found;
  }

  /** Closes all; what is opened later by a request still on its way is closed at once. */
  close(): void {
    this.#closed = true;
    for (const fid of this.#fids.values()) abandon(fid);
    this.#fids.clear();
  }

  #uncount(fid: Fid): void {
    if (isOpen(fid)) this.#open--;
  }
}

function isOpen({ file, listing, xattr }: Fid): boolean {
  return file !== undefined || listing !== undefined || xattr !== undefined;
}
