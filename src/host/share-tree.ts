/**
 * What the page shares with its guest: a tree in memory for files, in whose root lent directories
 * appear and go.
 */
import { HostError } from "../virtio/devices/host-tree/errno.ts";
import {
  type Answer,
  type AttributeChange,
  type Attributes,
  type Created,
  type Creation,
  type FileSystemStatus,
  FileType,
  type HostFile,
  type HostTree,
  type OpenMode,
  type RenameFlags,
  type SpecialCreation,
  type TreeEntry,
  type TreeXattrs,
  type XattrFlags,
} from "../virtio/devices/host-tree/host-tree.ts";
import { MemoryNode, type MemoryTree } from "../virtio/devices/host-tree/memory-tree.ts";
import { isShareable } from "../virtio/devices/host-tree/names.ts";
import type { DirectoryHandle } from "./handles/file-system-access.ts";
import type { HandleNode } from "./handles/handle-node.ts";
import { HandleTree } from "./handles/handle-tree.ts";

type ShareNode = MemoryNode | HandleNode;

/** Each lent directory has so many inode numbers, and so has the tree in memory. */
const INODES_PER_TREE = 2 ** 40;

/** For a directory whose name cannot be shown, such as the root of the origin's private files. */
const NAMELESS = "directory";

export class ShareTree implements HostTree<ShareNode> {
  readonly root: MemoryNode;
  readonly cacheMs = 1000;
  readonly #memory: MemoryTree;
  readonly #nowMs: () => number;
  readonly #lent = new Map<string, HandleTree>();
  #trees = 0;

  constructor(memory: MemoryTree, nowMs: () => number) {
    this.#memory = memory;
    this.#nowMs = nowMs;
    this.root = memory.root;
  }

  isLent(name: string): boolean {
    return this.#lent.has(name);
  }

  /** Shows a directory in the root, by its own name if nothing else has that; returns the name. */
  lend(handle: DirectoryHandle, readOnly: boolean): string {
    const wanted = isShareable(handle.name) ? handle.name : NAMELESS;
    let name = wanted;
    for (let i = 2; this.#lent.has(name) || this.root.entries?.has(name); i++) {
      name = `${wanted}-${i}`;
    }
    const inoBase = ++this.#trees * INODES_PER_TREE;
    this.#lent.set(name, new HandleTree(handle, { readOnly, nowMs: this.#nowMs, inoBase }));
    return name;
  }

  /** Takes a lent directory back, once what was written is in its place. */
  async takeBack(name: string): Promise<void> {
    const tree = this.#lent.get(name);
    this.#lent.delete(name);
    await tree?.close();
  }

  getattr(node: ShareNode): Answer<Attributes> {
    return this.#call(
      node,
      (at) => this.#memory.getattr(at),
      (at) => at.tree.getattr(at),
    );
  }

  setattr(node: ShareNode, change: AttributeChange): Answer<void> {
    return this.#call(
      node,
      (at) => this.#memory.setattr(at, change),
      (at) => at.tree.setattr(at, change),
    );
  }

  lookup(dir: ShareNode, name: string): Answer<ShareNode> {
    return this.#call<ShareNode>(
      dir,
      (at) => this.#lentAt(at, name)?.root ?? this.#memory.lookup(at, name),
      (at) => at.tree.lookup(at, name),
    );
  }

  readdir(dir: ShareNode): Answer<readonly TreeEntry[]> {
    return this.#call(
      dir,
      (at) => [...this.#memory.readdir(at), ...(at === this.root ? this.#lentEntries() : [])],
      (at) => at.tree.readdir(at),
    );
  }

  mkdir(dir: ShareNode, name: string, creation: Creation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#call<ShareNode>(
      dir,
      (at) => this.#memory.mkdir(at, name, creation),
      (at) => at.tree.mkdir(at, name, creation),
    );
  }

  mknod(dir: ShareNode, name: string, creation: SpecialCreation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#call<ShareNode>(
      dir,
      (at) => this.#memory.mknod(at, name, creation),
      (at) => at.tree.mknod(at, name, creation),
    );
  }

  symlink(dir: ShareNode, name: string, target: string, creation: Creation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#call<ShareNode>(
      dir,
      (at) => this.#memory.symlink(at, name, target, creation),
      (at) => at.tree.symlink(at, name, target, creation),
    );
  }

  link(node: ShareNode, dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EEXIST");
    if (treeOf(node) !== treeOf(dir)) throw new HostError("EXDEV");
    return this.#call(
      node,
      (at) => this.#memory.link(at, dir as MemoryNode, name),
      (at) => at.tree.link(at, dir as HandleNode, name),
    );
  }

  create(
    dir: ShareNode,
    name: string,
    creation: Creation,
    mode: OpenMode,
  ): Answer<Created<ShareNode>> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#call<Created<ShareNode>>(
      dir,
      (at) => this.#memory.create(at, name, creation, mode),
      (at) => at.tree.create(at, name, creation, mode),
    );
  }

  readlink(node: ShareNode): Answer<string> {
    return this.#call(
      node,
      (at) => this.#memory.readlink(at),
      (at) => at.tree.readlink(at),
    );
  }

  unlink(dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EISDIR");
    return this.#call(
      dir,
      (at) => this.#memory.unlink(at, name),
      (at) => at.tree.unlink(at, name),
    );
  }

  rmdir(dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EBUSY");
    return this.#call(
      dir,
      (at) => this.#memory.rmdir(at, name),
      (at) => at.tree.rmdir(at, name),
    );
  }

  rename(
    fromDir: ShareNode,
    from: string,
    toDir: ShareNode,
    to: string,
    flags: RenameFlags,
  ): Answer<void> {
    this.#checkNotLent(fromDir, from, "EBUSY");
    this.#checkNotLent(toDir, to, "EBUSY");
    if (treeOf(fromDir) !== treeOf(toDir)) throw new HostError("EXDEV");
    return this.#call(
      fromDir,
      (at) => this.#memory.rename(at, from, toDir as MemoryNode, to, flags),
      (at) => at.tree.rename(at, from, toDir as HandleNode, to, flags),
    );
  }

  open(node: ShareNode, mode: OpenMode): Answer<HostFile> {
    return this.#call(
      node,
      (at) => this.#memory.open(at, mode),
      (at) => at.tree.open(at, mode),
    );
  }

  fsyncdir(): void {}

  async syncfs(): Promise<void> {
    for (const tree of [...this.#lent.values()]) await tree.syncfs();
  }

  /** Of the tree in memory: of lent directories nobody says how much room there is. */
  statfs(): FileSystemStatus {
    return this.#memory.statfs();
  }

  readonly xattrs: TreeXattrs<ShareNode> = {
    get: (node, name) => this.#memory.xattrs.get(ownNode(node, "ENODATA"), name),
    list: (node) => (node instanceof MemoryNode ? this.#memory.xattrs.list(node) : []),
    set: (node, name, value, flags: XattrFlags) =>
      this.#memory.xattrs.set(ownNode(node, "EOPNOTSUPP"), name, value, flags),
    remove: (node, name) => this.#memory.xattrs.remove(ownNode(node, "ENODATA"), name),
  };

  #call<T>(
    node: ShareNode,
    own: (node: MemoryNode) => Answer<T>,
    lent: (node: HandleNode) => Answer<T>,
  ): Answer<T> {
    return node instanceof MemoryNode ? own(node) : lent(node);
  }

  #lentAt(dir: ShareNode, name: string): HandleTree | undefined {
    return dir === this.root ? this.#lent.get(name) : undefined;
  }

  #checkNotLent(dir: ShareNode, name: string, errno: "EEXIST" | "EISDIR" | "EBUSY"): void {
    if (this.#lentAt(dir, name) !== undefined) throw new HostError(errno);
  }

  *#lentEntries(): Iterable<TreeEntry> {
    for (const [name, { root }] of this.#lent) {
      yield { name, ino: root.ino, type: FileType.DIRECTORY };
    }
  }
}

/** What tells whether two nodes are on one file system. */
function treeOf(node: ShareNode): object | undefined {
  return node instanceof MemoryNode ? undefined : node.tree;
}

function ownNode(node: ShareNode, otherwise: "ENODATA" | "EOPNOTSUPP"): MemoryNode {
  if (!(node instanceof MemoryNode)) throw new HostError(otherwise);
  return node;
}
