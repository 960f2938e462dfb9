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

/** What both kinds of trees do, each with its own nodes. Lent directories have no extended attributes. */
type NodeOperations = Omit<HostTree<ShareNode>, "xattrs">;

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
    return this.#treeOf(node).getattr(node);
  }

  setattr(node: ShareNode, change: AttributeChange): Answer<void> {
    return this.#treeOf(node).setattr(node, change);
  }

  lookup(dir: ShareNode, name: string): Answer<ShareNode> {
    return this.#lentAt(dir, name)?.root ?? this.#treeOf(dir).lookup(dir, name);
  }

  readdir(dir: ShareNode): Answer<readonly TreeEntry[]> {
    if (dir !== this.root) return this.#treeOf(dir).readdir(dir);
    return [...this.#memory.readdir(this.root), ...this.#lentEntries()];
  }

  mkdir(dir: ShareNode, name: string, creation: Creation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#treeOf(dir).mkdir(dir, name, creation);
  }

  mknod(dir: ShareNode, name: string, creation: SpecialCreation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#treeOf(dir).mknod(dir, name, creation);
  }

  symlink(dir: ShareNode, name: string, target: string, creation: Creation): Answer<ShareNode> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#treeOf(dir).symlink(dir, name, target, creation);
  }

  link(node: ShareNode, dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#treeOfBoth(node, dir).link(node, dir, name);
  }

  create(
    dir: ShareNode,
    name: string,
    creation: Creation,
    mode: OpenMode,
  ): Answer<Created<ShareNode>> {
    this.#checkNotLent(dir, name, "EEXIST");
    return this.#treeOf(dir).create(dir, name, creation, mode);
  }

  readlink(node: ShareNode): Answer<string> {
    return this.#treeOf(node).readlink(node);
  }

  unlink(dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EISDIR");
    return this.#treeOf(dir).unlink(dir, name);
  }

  rmdir(dir: ShareNode, name: string): Answer<void> {
    this.#checkNotLent(dir, name, "EBUSY");
    return this.#treeOf(dir).rmdir(dir, name);
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
    return this.#treeOfBoth(fromDir, toDir).rename(fromDir, from, toDir, to, flags);
  }

  open(node: ShareNode, mode: OpenMode): Answer<HostFile> {
    return this.#treeOf(node).open(node, mode);
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

  #treeOf(node: ShareNode): NodeOperations {
    return node instanceof MemoryNode ? this.#memory : node.tree;
  }

  /** @throws HostError EXDEV, as across file systems */
  #treeOfBoth(node: ShareNode, other: ShareNode): NodeOperations {
    const tree = this.#treeOf(node);
    if (tree !== this.#treeOf(other)) throw new HostError("EXDEV");
    return tree;
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

function ownNode(node: ShareNode, otherwise: "ENODATA" | "EOPNOTSUPP"): MemoryNode {
  if (!(node instanceof MemoryNode)) throw new HostError(otherwise);
  return node;
}
