/** An open file of a directory that a browser lends. */
import { HostError } from "../../virtio/devices/host-tree/errno.ts";
import type {
  Answer,
  FileTarget,
  HostFile,
  OpenMode,
} from "../../virtio/devices/host-tree/host-tree.ts";
import type { FileNode } from "./handle-node.ts";

export class HandleFile implements HostFile {
  readonly #node: FileNode;
  readonly #mode: OpenMode;
  #isOpen = true;

  constructor(node: FileNode, mode: OpenMode) {
    this.#node = node;
    this.#mode = mode;
    node.openFiles++;
  }

  read(offset: number, target: FileTarget): Answer<number> {
    this.#check(this.#mode.read);
    return this.#node.content.read(offset, target);
  }

  write(offset: number, source: readonly Uint8Array[]): Answer<number> {
    this.#check(this.#mode.write);
    this.#node.tree.changed(this.#node);
    return this.#node.content.write(this.#mode.append ? "end" : offset, source);
  }

  /** The file is in its place then, and the system has it; a browser promises no more. */
  fsync(): Answer<void> {
    return this.#node.content.commit();
  }

  flush(): Answer<void> {
    return this.#node.content.commit();
  }

  close(): Answer<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#node.openFiles--;
    if (this.#node.openFiles === 0) return this.#node.tree.settled(this.#node);
  }

  #check(isAllowed: boolean): void {
    if (!this.#isOpen || !isAllowed) throw new HostError("EBADF");
    // Removed on the host, or taken back.
    if (this.#node.isGone) throw new HostError("ESTALE");
  }
}
