/**
 * A directory that a browser lends, read and written in place.
 *
 * The File System Access API knows names, bytes, sizes and the time of the last change. It has no
 * links, owners or permissions, and directories cannot be moved: what asks for these is refused as
 * Linux's vfat does, and everything belongs to root and may be run.
 */
import { HostError } from "../../virtio/devices/host-tree/errno.ts";
import {
  type Answer,
  ATTRIBUTE_BLOCK,
  type AttributeChange,
  type Attributes,
  type Created,
  type Creation,
  type FileSystemStatus,
  FileType,
  type HostFile,
  type OpenMode,
  type RenameFlags,
  type SpecialCreation,
  type TreeEntry,
  timestampOf,
} from "../../virtio/devices/host-tree/host-tree.ts";
import { LISTED_ENTRIES_MAX } from "../../virtio/devices/host-tree/listing.ts";
import type { DirectoryHandle, FileHandle, SharedBlob } from "./file-system-access.ts";
import { guarded, hostErrorOf, isNamed } from "./handle-errors.ts";
import { HandleFile } from "./handle-file.ts";
import {
  DirectoryNode,
  FileNode,
  type HandleNode,
  type NodeTree,
  type Place,
} from "./handle-node.ts";

/** Bytes that are copied at a time when a file is given another name. */
const COPY_BYTES = 1 << 22;

/** What everything has, and what nothing has that may not be changed. */
const MODE = 0o755;
const READ_ONLY_MODE = 0o555;

const WRITE: OpenMode = { read: false, write: true, truncate: false, append: false };

export interface HandleTreeOptions {
  readonly readOnly: boolean;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Inode numbers are greater than this. */
  readonly inoBase: number;
}

export class HandleTree implements NodeTree {
  readonly root: DirectoryNode;
  readonly cacheMs = 1000;
  readonly nowMs: () => number;
  readonly #readOnly: boolean;
  /** Files that are written, or that the browser keeps open for the guest. */
  readonly #pending = new Set<FileNode>();
  #lastIno: number;

  constructor(handle: DirectoryHandle, { readOnly, nowMs, inoBase }: HandleTreeOptions) {
    this.nowMs = nowMs;
    this.#readOnly = readOnly;
    this.#lastIno = inoBase;
    this.root = new DirectoryNode(this, ++this.#lastIno, undefined, handle);
  }

  /** Nobody may use it any more; what was written is put in its place. */
  async close(): Promise<void> {
    this.root.removed();
    await Promise.allSettled([...this.#pending].map((node) => this.settled(node)));
  }

  changed(node: FileNode): void {
    this.#pending.add(node);
  }

  async settled(node: FileNode): Promise<void> {
    if (!this.#pending.delete(node)) return;
    await node.content.release();
  }

  getattr(node: HandleNode): Answer<Attributes> {
    checkThere(node);
    if (node.kind === "directory") return this.#directoryAttributes(node);
    const facts = node.content.facts();
    const finish = ({ size, mtimeMs }: { size: number; mtimeMs: number }) =>
      this.#attributes(node, FileType.REGULAR, size, mtimeMs);
    return facts instanceof Promise ? facts.then(finish) : finish(facts);
  }

  async setattr(node: HandleNode, change: AttributeChange): Promise<void> {
    this.#checkWritable();
    checkThere(node);
    const { mode = MODE, uid = 0, gid = 0, size, atime = "now", mtime } = change;
    // There is no place for any of these.
    if (mode !== MODE || uid !== 0 || gid !== 0 || atime !== "now") throw new HostError("EPERM");
    if (mtime !== undefined && mtime !== "now") throw new HostError("EPERM");
    if (node.kind === "directory") {
      if (size !== undefined) throw new HostError("EISDIR");
      if (mtime !== undefined) node.changedMs = this.nowMs();
    } else if (size !== undefined) {
      this.changed(node);
      await node.content.truncate(size);
      if (node.openFiles === 0) await this.settled(node);
    } else if (mtime !== undefined) await node.content.touch();
  }

  lookup(dir: HandleNode, name: string): Answer<HandleNode> {
    const at = directoryOf(dir);
    const known = at.children.get(name);
    const isFresh = this.nowMs() - at.listedMs < this.cacheMs;
    return known !== undefined && isFresh ? known : this.#find(at, name, known);
  }

  async readdir(dir: HandleNode): Promise<TreeEntry[]> {
    const at = directoryOf(dir);
    const entries: TreeEntry[] = [];
    await guarded(
      (async () => {
        for await (const [name, handle] of at.handle.entries()) {
          if (entries.length >= LISTED_ENTRIES_MAX) throw new HostError("ENFILE");
          const { ino, kind } = this.#child(at, name, handle);
          entries.push({ name, ino, type: TYPES[kind] });
        }
      })(),
    );
    const names = new Set(entries.map(({ name }) => name));
    for (const [name, child] of [...at.children]) if (!names.has(name)) child.removed();
    at.listedMs = this.nowMs();
    return entries;
  }

  async mkdir(dir: HandleNode, name: string, _creation: Creation): Promise<HandleNode> {
    const at = await this.#placeFor(dir, name);
    const handle = await guarded(at.handle.getDirectoryHandle(name, { create: true }));
    return this.#child(at, name, handle);
  }

  async mknod(dir: HandleNode, name: string, creation: SpecialCreation): Promise<HandleNode> {
    if (creation.type !== FileType.REGULAR) throw new HostError("EPERM");
    const { node, file } = await this.create(dir, name, creation, WRITE);
    await file.close();
    return node;
  }

  symlink(): never {
    throw new HostError("EPERM");
  }

  link(): never {
    throw new HostError("EPERM");
  }

  async create(
    dir: HandleNode,
    name: string,
    _creation: Creation,
    mode: OpenMode,
  ): Promise<Created<HandleNode>> {
    const at = await this.#placeFor(dir, name);
    const handle = await guarded(at.handle.getFileHandle(name, { create: true }));
    const node = this.#child(at, name, handle);
    if (node.kind !== "file") throw new HostError("EIO");
    return { node, file: new HandleFile(node, mode) };
  }

  readlink(): never {
    throw new HostError("EINVAL");
  }

  async unlink(dir: HandleNode, name: string): Promise<void> {
    const node = await this.#existing(dir, name);
    if (node.kind === "directory") throw new HostError("EISDIR");
    await this.#remove(directoryOf(dir), name, node);
  }

  async rmdir(dir: HandleNode, name: string): Promise<void> {
    const node = await this.#existing(dir, name);
    if (node.kind !== "directory") throw new HostError("ENOTDIR");
    await this.#remove(directoryOf(dir), name, node);
  }

  async rename(
    fromDir: HandleNode,
    from: string,
    toDir: HandleNode,
    to: string,
    flags: RenameFlags,
  ): Promise<void> {
    // What a file system says that cannot swap names.
    if (flags.exchange) throw new HostError("EINVAL");
    const node = await this.#existing(fromDir, from);
    const place: Place = { dir: directoryOf(toDir), name: to };
    const other = await this.#find(place.dir, to).catch(() => undefined);
    if (other === node) return;
    if (other !== undefined && flags.noReplace) throw new HostError("EEXIST");
    checkReplaceable(node, other, place.dir);
    // As across file systems: who moves a directory then copies it.
    if (node.kind === "directory") throw new HostError("EXDEV");
    await this.#moveFile(node, place, other?.kind === "file" ? other : undefined);
  }

  async open(node: HandleNode, mode: OpenMode): Promise<HostFile> {
    if (node.kind === "directory") throw new HostError("EISDIR");
    if (mode.write) this.#checkWritable();
    checkThere(node);
    // Whether it is still there.
    await node.content.facts();
    const file = new HandleFile(node, mode);
    if (!mode.truncate) return file;
    try {
      this.changed(node);
      await node.content.truncate(0);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  fsyncdir(): void {}

  async syncfs(): Promise<void> {
    for (const { content } of [...this.#pending]) await content.commit();
  }

  /** Nobody says how much room there is. */
  statfs(): FileSystemStatus {
    const none = { blocks: 0, freeBlocks: 0, availableBlocks: 0, files: 0, freeFiles: 0 };
    return { blockSize: ATTRIBUTE_BLOCK, ...none };
  }

  #checkWritable(): void {
    if (this.#readOnly) throw new HostError("EROFS");
  }

  #attributes(node: HandleNode, type: number, size: number, changedMs: number): Attributes {
    const time = timestampOf(changedMs);
    return {
      ino: node.ino,
      mode: type | (this.#readOnly ? READ_ONLY_MODE : MODE),
      // Of a directory: nobody counts.
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      size,
      blocks: Math.ceil(size / ATTRIBUTE_BLOCK),
      atime: time,
      mtime: time,
      ctime: time,
    };
  }

  async #directoryAttributes(node: DirectoryNode): Promise<Attributes> {
    if (node.place !== undefined) {
      const { dir, name } = node.place;
      try {
        await dir.handle.getDirectoryHandle(name);
      } catch (error) {
        const isGone = isNamed(error, "NotFoundError") || isNamed(error, "TypeMismatchError");
        if (isGone) node.removed();
        throw isGone ? new HostError("ESTALE") : hostErrorOf(error);
      }
    }
    return this.#attributes(node, FileType.DIRECTORY, 0, node.changedMs);
  }

  /** What has a name now. @throws HostError ENOENT */
  async #find(at: DirectoryNode, name: string, known?: HandleNode): Promise<HandleNode> {
    try {
      return this.#child(at, name, await handleAt(at.handle, name, known?.kind));
    } catch (error) {
      // A name that the host cannot have leads to nothing.
      const isAbsent = isNamed(error, "NotFoundError") || isNamed(error, "TypeError");
      if (!isAbsent) throw hostErrorOf(error);
      at.children.get(name)?.removed();
      throw new HostError(at.isGone ? "ESTALE" : "ENOENT");
    }
  }

  async #existing(dir: HandleNode, name: string): Promise<HandleNode> {
    this.#checkWritable();
    return this.#find(directoryOf(dir), name);
  }

  /** The directory that a new name is to be in. @throws HostError EEXIST */
  async #placeFor(dir: HandleNode, name: string): Promise<DirectoryNode> {
    this.#checkWritable();
    const at = directoryOf(dir);
    const isTaken = await this.#find(at, name).then(
      () => true,
      () => false,
    );
    if (isTaken) throw new HostError("EEXIST");
    at.changedMs = this.nowMs();
    return at;
  }

  /** The node of what was found at a place: the same for as long as the same kind is there. */
  #child(dir: DirectoryNode, name: string, handle: FileHandle | DirectoryHandle): HandleNode {
    const known = dir.children.get(name);
    if (known?.kind === handle.kind) return known;
    known?.removed();
    const place = { dir, name };
    const ino = ++this.#lastIno;
    const node =
      handle.kind === "file"
        ? new FileNode(this, ino, place, handle)
        : new DirectoryNode(this, ino, place, handle);
    dir.children.set(name, node);
    return node;
  }

  async #remove(dir: DirectoryNode, name: string, node: HandleNode): Promise<void> {
    // Its bytes would be gone, or come back when they are written.
    if (node.kind === "file" && node.openFiles > 0) throw new HostError("EBUSY");
    await guarded(dir.handle.removeEntry(name));
    node.removed();
    dir.changedMs = this.nowMs();
  }

  async #moveFile(node: FileNode, to: Place, other: FileNode | undefined): Promise<void> {
    const from = node.place;
    if (from === undefined) throw new HostError("ESTALE");
    if (other !== undefined && other.openFiles > 0) throw new HostError("EBUSY");
    this.#pending.delete(node);
    await node.content.release();
    if (other !== undefined || !(await moved(node, to))) {
      // The host may take both for the same file.
      if (from.dir === to.dir && folded(from.name) === folded(to.name)) {
        throw new HostError("EPERM");
      }
      await this.#copy(node, to);
      await guarded(from.dir.handle.removeEntry(from.name));
    }
    from.dir.children.delete(from.name);
    other?.removed();
    to.dir.children.set(to.name, node);
    node.place = to;
    node.content.handle = await guarded(to.dir.handle.getFileHandle(to.name));
    from.dir.changedMs = to.dir.changedMs = this.nowMs();
  }

  /** Puts a copy in a place, all of it at once: whoever looks sees what was there, or the copy. */
  async #copy(node: FileNode, { dir, name }: Place): Promise<void> {
    const wasThere = await handleAt(dir.handle, name).then(
      () => true,
      () => false,
    );
    const handle = await guarded(dir.handle.getFileHandle(name, { create: true }));
    try {
      await copyInto(await node.content.handle.getFile(), handle);
    } catch (error) {
      if (!wasThere) await dir.handle.removeEntry(name).catch(() => {});
      throw hostErrorOf(error);
    }
  }
}

const TYPES = { file: FileType.REGULAR, directory: FileType.DIRECTORY } as const;

/** Asks for the kind that it was first. */
async function handleAt(
  directory: DirectoryHandle,
  name: string,
  kind: HandleNode["kind"] = "file",
): Promise<FileHandle | DirectoryHandle> {
  const asFile = () => directory.getFileHandle(name);
  const asDirectory = () => directory.getDirectoryHandle(name);
  const [first, second] = kind === "file" ? [asFile, asDirectory] : [asDirectory, asFile];
  try {
    return await first();
  } catch (error) {
    if (!isNamed(error, "TypeMismatchError")) throw error;
    return second();
  }
}

/** Gives a file another place where the browser can; false where it cannot. */
async function moved(node: FileNode, { dir, name }: Place): Promise<boolean> {
  const { handle } = node.content;
  if (handle.move === undefined) return false;
  try {
    await handle.move(dir.handle, name);
    return true;
  } catch {
    return false;
  }
}

async function copyInto(source: SharedBlob, target: FileHandle): Promise<void> {
  const stream = await target.createWritable?.({ keepExistingData: false });
  if (stream === undefined) throw new HostError("EXDEV");
  try {
    for (let at = 0; at < source.size; at += COPY_BYTES) {
      const part = source.slice(at, Math.min(at + COPY_BYTES, source.size));
      const data = new Uint8Array(await part.arrayBuffer());
      await stream.write({ type: "write", position: at, data });
    }
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
}

/** Names that are one on some hosts are the same. */
function folded(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

function checkThere(node: HandleNode): void {
  if (node.isGone) throw new HostError("ESTALE");
}

function directoryOf(node: HandleNode): DirectoryNode {
  checkThere(node);
  if (node.kind !== "directory") throw new HostError("ENOTDIR");
  return node;
}

function checkReplaceable(
  node: HandleNode,
  other: HandleNode | undefined,
  dir: DirectoryNode,
): void {
  let at: DirectoryNode | undefined = dir;
  for (; at !== undefined; at = at.place?.dir) {
    if (at === node) throw new HostError("EINVAL");
  }
  if (other === undefined || other.kind === node.kind) return;
  throw new HostError(node.kind === "directory" ? "ENOTDIR" : "EISDIR");
}
