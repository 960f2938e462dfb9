/** An open file of a shared directory. */
import {
  type BigIntStats,
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  readvSync,
  writevSync,
} from "node:fs";
import { promisify } from "node:util";
import { HostError } from "../../src/virtio/devices/host-tree/errno.ts";
import type {
  FileTarget,
  HostFile,
  OpenMode,
} from "../../src/virtio/devices/host-tree/host-tree.ts";
import type { DirectoryNode } from "./directory-node.ts";
import { guarded, hostErrorOf } from "./host-errors.ts";

const sync = promisify(fsync);
const syncData = promisify(fdatasync);

export class DirectoryFile implements HostFile {
  /** May be truncated. */
  readonly isWritable: boolean;
  readonly fd: number;
  readonly #node: DirectoryNode;
  /** Nodes that were written since they were last synced. */
  readonly #dirty: Set<DirectoryNode>;
  #isOpen = true;

  constructor(fd: number, node: DirectoryNode, { write }: OpenMode, dirty: Set<DirectoryNode>) {
    this.fd = fd;
    this.isWritable = write;
    this.#node = node;
    this.#dirty = dirty;
    node.files.add(this);
  }

  /** Straight into the guest's buffers: the guest stands still until they are filled. */
  read(offset: number, target: FileTarget): number {
    this.#checkOpen();
    return guarded(() => readvSync(this.fd, target.views(), offset));
  }

  write(offset: number, source: readonly Uint8Array[]): number {
    this.#checkOpen();
    this.#dirty.add(this.#node);
    return guarded(() => writevSync(this.fd, source, offset));
  }

  async fsync(dataOnly: boolean): Promise<void> {
    this.#checkOpen();
    // What is written meanwhile is not covered.
    const wasDirty = this.#dirty.delete(this.#node);
    try {
      await (dataOnly ? syncData(this.fd) : sync(this.fd));
    } catch (error) {
      if (wasDirty) this.#dirty.add(this.#node);
      throw hostErrorOf(error);
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#node.files.delete(this);
    guarded(() => closeSync(this.fd));
  }

  truncate(size: number): void {
    this.#dirty.add(this.#node);
    guarded(() => ftruncateSync(this.fd, size));
  }

  stat(): BigIntStats {
    return fstatSync(this.fd, { bigint: true });
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new HostError("EBADF");
  }
}
