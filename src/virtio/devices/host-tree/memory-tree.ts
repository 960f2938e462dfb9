/** A tree of files in memory: of the guest's own making, and what the host puts there. */
import { HostError } from "./errno.ts";
import {
  ATTRIBUTE_BLOCK,
  type AttributeChange,
  type Attributes,
  type Created,
  type Creation,
  type FileSystemStatus,
  type FileTarget,
  FileType,
  type HostFile,
  type HostTree,
  type OpenMode,
  PERMISSIONS,
  type RenameFlags,
  S_IFMT,
  S_ISGID,
  type SpecialCreation,
  type Timestamp,
  type TreeEntry,
  timestampOf,
} from "./host-tree.ts";
import { type LazyBytes, MemoryContent, SpaceBudget } from "./memory-content.ts";
import { MemoryXattrs } from "./memory-xattrs.ts";
import { encodeText } from "./names.ts";
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE } from "./open-flags.ts";

/** Bytes of file contents, targets and extended attributes unless the owner says otherwise. */
const CAPACITY_DEFAULT = 1024 * 1024 * 1024;

/** Files of one tree: an empty one costs the host some hundred bytes. */
export const MEMORY_FILES_MAX = 1 << 18;

/** Names of one file, as ext4 has it. */
export const MEMORY_LINKS_MAX = 65_000;

const BLOCK = 4096;

export interface MemoryTreeOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** In bytes. */
  readonly capacity?: number;
}

/** An inode. */
export class MemoryNode {
  readonly ino: number;
  mode: number;
  nlink = 0;
  uid: number;
  gid: number;
  rdev = 0;
  atime: Timestamp;
  mtime: Timestamp;
  ctime: Timestamp;
  /** Of a directory. */
  readonly entries: Map<string, MemoryNode> | undefined;
  /** Of a directory that has not been removed: the one that it is in, or itself. */
  parent: MemoryNode | undefined;
  /** Of a regular file. */
  content: MemoryContent | undefined;
  /** Of a symbolic link. */
  target = "";
  xattrs: Map<string, Uint8Array> | undefined;
  openFiles = 0;

  constructor(ino: number, mode: number, { uid, gid }: Creation, now: Timestamp) {
    this.ino = ino;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.atime = this.mtime = this.ctime = now;
    this.entries = this.type === FileType.DIRECTORY ? new Map() : undefined;
  }

  get type(): number {
    return this.mode & S_IFMT;
  }
}

const ROOT: Creation = { mode: 0o755, uid: 0, gid: 0 };

export class MemoryTree implements HostTree<MemoryNode> {
  readonly root: MemoryNode;
  readonly cacheMs = 1000;
  readonly xattrs: MemoryXattrs;
  readonly #nowMs: () => number;
  readonly #budget: SpaceBudget;
  #files = 0;
  #lastIno = 0;

  constructor(options: MemoryTreeOptions) {
    this.#nowMs = options.nowMs;
    this.#budget = new SpaceBudget(options.capacity ?? CAPACITY_DEFAULT);
    this.xattrs = new MemoryXattrs(this.#budget, () => this.#now());
    this.root = this.#newNode(FileType.DIRECTORY, ROOT);
    this.root.parent = this.root;
    this.root.nlink = 2;
  }

  getattr(node: MemoryNode): Attributes {
    if (node.nlink === 0 && node.openFiles === 0) throw new HostError("ESTALE");
    const { ino, mode, nlink, uid, gid, rdev, atime, mtime, ctime, content } = node;
    const size = content?.size ?? (node.entries?.size ?? 0) * 32 + encodeText(node.target).length;
    const blocks = Math.ceil((content?.allocated ?? 0) / ATTRIBUTE_BLOCK);
    return { ino, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime };
  }

  setattr(node: MemoryNode, change: AttributeChange): void | Promise<void> {
    const now = this.#now();
    const { mode, uid, gid, size, atime, mtime } = change;
    const apply = () => {
      if (mode !== undefined) node.mode = node.type | (mode & PERMISSIONS);
      if (uid !== undefined) node.uid = uid;
      if (gid !== undefined) node.gid = gid;
      if (atime !== undefined) node.atime = atime === "now" ? now : atime;
      if (mtime !== undefined) node.mtime = mtime === "now" ? now : mtime;
      node.ctime = now;
    };
    if (size === undefined) return apply();
    const truncated = contentOf(node).truncate(size);
    if (mtime === undefined) node.mtime = now;
    return truncated === undefined ? apply() : truncated.then(apply);
  }

  lookup(dir: MemoryNode, name: string): MemoryNode {
    return childOf(dir, name);
  }

  readdir(dir: MemoryNode): TreeEntry[] {
    dir.atime = this.#now();
    return [...entriesOf(dir)].map(([name, { ino, type }]) => ({ name, ino, type }));
  }

  mkdir(dir: MemoryNode, name: string, creation: Creation): MemoryNode {
    this.#checkFree(dir, name);
    // A directory of a directory with the set-group-ID bit gets it too.
    const mode = creation.mode | (dir.mode & S_ISGID);
    const node = this.#newNode(FileType.DIRECTORY, { ...creation, mode }, dir);
    node.nlink = 1;
    this.#add(dir, name, node);
    return node;
  }

  mknod(dir: MemoryNode, name: string, creation: SpecialCreation): MemoryNode {
    this.#checkFree(dir, name);
    const node = this.#newNode(creation.type, creation, dir);
    node.rdev = creation.rdev;
    if (creation.type === FileType.REGULAR) node.content = new MemoryContent(this.#budget);
    this.#add(dir, name, node);
    return node;
  }

  symlink(dir: MemoryNode, name: string, target: string, creation: Creation): MemoryNode {
    this.#checkFree(dir, name);
    this.#budget.take(target.length);
    const node = this.#newNode(FileType.LINK, { ...creation, mode: 0o777 }, dir);
    node.target = target;
    this.#add(dir, name, node);
    return node;
  }

  link(node: MemoryNode, dir: MemoryNode, name: string): void {
    if (node.entries !== undefined) throw new HostError("EPERM");
    if (node.nlink === 0) throw new HostError("ENOENT");
    if (node.nlink >= MEMORY_LINKS_MAX) throw new HostError("EMLINK");
    this.#checkFree(dir, name);
    this.#add(dir, name, node);
  }

  create(dir: MemoryNode, name: string, creation: Creation, mode: OpenMode): Created<MemoryNode> {
    const node = this.mknod(dir, name, { ...creation, type: FileType.REGULAR, rdev: 0 });
    return { node, file: this.#opened(node, mode) };
  }

  readlink(node: MemoryNode): string {
    if (node.type !== FileType.LINK) throw new HostError("EINVAL");
    return node.target;
  }

  unlink(dir: MemoryNode, name: string): void {
    const node = childOf(dir, name);
    if (node.entries !== undefined) throw new HostError("EISDIR");
    this.#remove(dir, name, node);
  }

  rmdir(dir: MemoryNode, name: string): void {
    const node = childOf(dir, name);
    if (node.entries === undefined) throw new HostError("ENOTDIR");
    if (node.entries.size > 0) throw new HostError("ENOTEMPTY");
    this.#remove(dir, name, node);
  }

  rename(
    fromDir: MemoryNode,
    from: string,
    toDir: MemoryNode,
    to: string,
    flags: RenameFlags,
  ): void {
    const node = childOf(fromDir, from);
    const other = entriesOf(toDir).get(to);
    if (toDir.parent === undefined) throw new HostError("ENOENT");
    if (flags.exchange && other === undefined) throw new HostError("ENOENT");
    if (flags.noReplace && other !== undefined) throw new HostError("EEXIST");
    if (node === other) return;
    if (isInside(toDir, node)) throw new HostError("EINVAL");
    if (other !== undefined && isInside(fromDir, other)) {
      throw new HostError(flags.exchange ? "EINVAL" : "ENOTEMPTY");
    }
    if (!flags.exchange && other !== undefined) {
      checkReplaceable(node, other);
      this.#remove(toDir, to, other);
    }
    this.#detach(fromDir, from, node);
    if (flags.exchange && other !== undefined) {
      this.#detach(toDir, to, other);
      this.#add(fromDir, from, other);
    }
    this.#add(toDir, to, node);
  }

  open(node: MemoryNode, mode: OpenMode): HostFile | Promise<HostFile> {
    const content = contentOf(node);
    if (!mode.truncate || content.size === 0) return this.#opened(node, mode);
    const truncated = this.setattr(node, { size: 0 });
    const file = this.#opened(node, mode);
    return truncated === undefined ? file : truncated.then(() => file);
  }

  fsyncdir(): void {}

  syncfs(): void {}

  statfs(): FileSystemStatus {
    const free = Math.floor((this.#budget.limit - this.#budget.used) / BLOCK);
    return {
      blockSize: BLOCK,
      blocks: Math.floor(this.#budget.limit / BLOCK),
      freeBlocks: free,
      availableBlocks: free,
      files: MEMORY_FILES_MAX,
      freeFiles: MEMORY_FILES_MAX - this.#files,
    };
  }

  /** A file of the host's in `dir`, whose bytes are read when the guest wants them. */
  addLazy(dir: MemoryNode, name: string, bytes: LazyBytes, mtimeMs: number): MemoryNode {
    this.#checkFree(dir, name);
    const node = this.#newNode(FileType.REGULAR, { ...ROOT, mode: 0o644 });
    node.content = new MemoryContent(this.#budget, bytes);
    node.mtime = timestampOf(mtimeMs);
    this.#add(dir, name, node);
    return node;
  }

  #now(): Timestamp {
    return timestampOf(this.#nowMs());
  }

  #newNode(type: number, creation: Creation, dir?: MemoryNode): MemoryNode {
    if (this.#files >= MEMORY_FILES_MAX) throw new HostError("ENOSPC");
    this.#files++;
    const mode = type | (creation.mode & PERMISSIONS);
    // A directory with the set-group-ID bit gives its group to what is made in it.
    const gid = dir !== undefined && (dir.mode & S_ISGID) !== 0 ? dir.gid : creation.gid;
    return new MemoryNode(++this.#lastIno, mode, { ...creation, gid }, this.#now());
  }

  #checkFree(dir: MemoryNode, name: string): void {
    if (entriesOf(dir).has(name)) throw new HostError("EEXIST");
    if (dir.parent === undefined) throw new HostError("ENOENT");
  }

  #add(dir: MemoryNode, name: string, node: MemoryNode): void {
    entriesOf(dir).set(name, node);
    node.nlink++;
    if (node.entries !== undefined) {
      node.parent = dir;
      dir.nlink++;
    }
    dir.mtime = dir.ctime = node.ctime = this.#now();
  }

  /** Takes the name away and nothing else. */
  #detach(dir: MemoryNode, name: string, node: MemoryNode): void {
    entriesOf(dir).delete(name);
    node.nlink--;
    if (node.entries !== undefined) dir.nlink--;
    dir.mtime = dir.ctime = node.ctime = this.#now();
  }

  #remove(dir: MemoryNode, name: string, node: MemoryNode): void {
    this.#detach(dir, name, node);
    if (node.entries !== undefined) {
      node.parent = undefined;
      node.nlink = 0;
    }
    this.#freeIfGone(node);
  }

  #opened(node: MemoryNode, mode: OpenMode): HostFile {
    node.openFiles++;
    const closed = () => {
      node.openFiles--;
      this.#freeIfGone(node);
    };
    return new MemoryFile(node, mode, () => this.#now(), closed);
  }

  #freeIfGone(node: MemoryNode): void {
    if (node.nlink > 0 || node.openFiles > 0) return;
    this.#files--;
    this.xattrs.free(node);
    node.content?.free();
    // Whoever still knows the inode gets ESTALE, since its bytes are gone.
    node.content = undefined;
    this.#budget.give(node.target.length);
    node.target = "";
  }
}

class MemoryFile implements HostFile {
  readonly #node: MemoryNode;
  readonly #mode: OpenMode;
  readonly #now: () => Timestamp;
  #closed: (() => void) | undefined;

  constructor(node: MemoryNode, mode: OpenMode, now: () => Timestamp, closed: () => void) {
    this.#node = node;
    this.#mode = mode;
    this.#now = now;
    this.#closed = closed;
  }

  read(offset: number, target: FileTarget): number | Promise<number> {
    if (!this.#mode.read) throw new HostError("EBADF");
    this.#node.atime = this.#now();
    return contentOf(this.#node).read(offset, target);
  }

  write(offset: number, source: readonly Uint8Array[]): number | Promise<number> {
    const content = this.#writable();
    return content.write(this.#mode.append ? content.size : offset, source);
  }

  fsync(): void {}

  close(): void {
    this.#closed?.();
    this.#closed = undefined;
  }

  allocate(offset: number, length: number, mode: number): void | Promise<void> {
    const content = this.#writable();
    const end = offset + length;
    const kind = mode & ~FALLOC_KEEP_SIZE;
    const keep = (mode & FALLOC_KEEP_SIZE) !== 0;
    if (kind === FALLOC_PUNCH_HOLE && keep) return content.zero(offset, length);
    if (kind !== 0 && kind !== FALLOC_ZERO_RANGE) throw new HostError("EOPNOTSUPP");
    const grown = !keep && end > content.size ? content.truncate(end) : undefined;
    if (kind === 0) return grown;
    const zero = () => content.zero(offset, length);
    return grown === undefined ? zero() : grown.then(zero);
  }

  seek(offset: number, what: "data" | "hole"): number {
    return contentOf(this.#node).seek(offset, what);
  }

  #writable(): MemoryContent {
    if (!this.#mode.write) throw new HostError("EBADF");
    this.#node.mtime = this.#node.ctime = this.#now();
    return contentOf(this.#node);
  }
}

function entriesOf(dir: MemoryNode): Map<string, MemoryNode> {
  if (dir.entries === undefined) throw new HostError("ENOTDIR");
  return dir.entries;
}

function childOf(dir: MemoryNode, name: string): MemoryNode {
  const node = entriesOf(dir).get(name);
  if (node === undefined) throw new HostError("ENOENT");
  return node;
}

function contentOf(node: MemoryNode): MemoryContent {
  if (node.entries !== undefined) throw new HostError("EISDIR");
  if (node.type !== FileType.REGULAR) throw new HostError("EINVAL");
  if (node.content === undefined) throw new HostError("ESTALE");
  return node.content;
}

/** Whether `dir` is `node` or below it. */
function isInside(dir: MemoryNode, node: MemoryNode): boolean {
  let at: MemoryNode | undefined = dir;
  while (at !== undefined && at !== node) at = at.parent === at ? undefined : at.parent;
  return at === node;
}

function checkReplaceable(node: MemoryNode, other: MemoryNode): void {
  if (other.entries === undefined) {
    if (node.entries !== undefined) throw new HostError("ENOTDIR");
  } else {
    if (node.entries === undefined) throw new HostError("EISDIR");
    if (other.entries.size > 0) throw new HostError("ENOTEMPTY");
  }
}
