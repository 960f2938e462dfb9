/** A file or directory that a browser lends, by its place: there are no inodes to know it by. */
import type { HostTree } from "../../virtio/devices/host-tree/host-tree.ts";
import type { DirectoryHandle, FileHandle } from "./file-system-access.ts";
import { HandleContent } from "./handle-content.ts";

/** The tree that a node is in. */
export interface NodeTree extends HostTree<HandleNode> {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** A file is written. */
  changed(node: FileNode): void;
  /** Nobody has a file open any more. */
  settled(node: FileNode): Promise<void>;
}

export interface Place {
  readonly dir: DirectoryNode;
  readonly name: string;
}

abstract class Node {
  readonly tree: NodeTree;
  readonly ino: number;
  /** Undefined for the root, and for what is gone. */
  place: Place | undefined;
  isGone = false;

  constructor(tree: NodeTree, ino: number, place: Place | undefined) {
    this.tree = tree;
    this.ino = ino;
    this.place = place;
  }

  /** No name leads to it any more. */
  removed(): void {
    if (this.place?.dir.children.get(this.place.name) === (this as Node)) {
      this.place.dir.children.delete(this.place.name);
    }
    this.place = undefined;
    this.isGone = true;
  }
}

export class FileNode extends Node {
  readonly kind = "file";
  readonly content: HandleContent;
  openFiles = 0;

  constructor(tree: NodeTree, ino: number, place: Place, handle: FileHandle) {
    super(tree, ino, place);
    this.content = new HandleContent(handle, () => tree.nowMs());
  }
}

export class DirectoryNode extends Node {
  readonly kind = "directory";
  readonly handle: DirectoryHandle;
  /** Those that were found and not found missing since. */
  readonly children = new Map<string, HandleNode>();
  /** When the guest changed it last, or it was found: the host does not say. In ms since 1970. */
  changedMs: number;
  /** When all of its children were seen last. */
  listedMs = 0;

  constructor(tree: NodeTree, ino: number, place: Place | undefined, handle: DirectoryHandle) {
    super(tree, ino, place);
    this.handle = handle;
    this.changedMs = tree.nowMs();
  }

  override removed(): void {
    super.removed();
    for (const child of [...this.children.values()]) child.removed();
  }
}

export type HandleNode = FileNode | DirectoryNode;
