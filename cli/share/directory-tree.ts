/**
 * A directory of the host's, shared with the guest and confined to what is in it.
 *
 * Links are never followed here: the guest gets their text, and resolves it in its own tree. A node
 * is known by device and inode number, and whatever is at its path now is used only if it is still
 * that. All but fsync waits for the host, so nothing that the guest does comes between a check and
 * its use.
 */
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { sep } from "node:path";
import { LoadError } from "../../src/machine/load-error.ts";
import { HostError } from "../../src/virtio/devices/host-tree/errno.ts";
import {
  type AttributeChange,
  type Attributes,
  type Creation,
  type FileSystemStatus,
  FileType,
  type HostTree,
  type OpenMode,
  PERMISSIONS,
  type RenameFlags,
  S_IFMT,
  S_ISGID,
  type SpecialCreation,
  type Timestamp,
  type TreeEntry,
} from "../../src/virtio/devices/host-tree/host-tree.ts";
import { DirectoryFile } from "./directory-file.ts";
import { attributesOf, type DirectoryNode, keyOf, NodeRegistry } from "./directory-node.ts";
import { guarded } from "./host-errors.ts";

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY, O_RDWR, O_APPEND } = constants;

/** Opening never follows a link, and never waits for the other end of a pipe. */
const O_SAFE = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const READ: OpenMode = { read: true, write: false, truncate: false, append: false };
const WRITE: OpenMode = { read: false, write: true, truncate: false, append: false };

/** Who may give files away. */
const isRoot = process.getuid?.() === 0;

export class DirectoryTree implements HostTree<DirectoryNode> {
  readonly root: DirectoryNode;
  readonly cacheMs = 1000;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #nodes = new NodeRegistry();
  /** Written since they were last synced. */
  readonly #dirty = new Set<DirectoryNode>();

  /** @throws LoadError if it is no directory that can be read */
  constructor(path: string, readOnly = false) {
    try {
      this.#path = realpathSync(path);
      readdirSync(this.#path);
    } catch (error) {
      const advice = "Give the name of a directory that you may read.";
      throw new LoadError(`${path} cannot be shared (${(error as Error).message}).`, advice);
    }
    this.#readOnly = readOnly;
    this.root = this.#nodes.intern(lstatSync(this.#path, { bigint: true }));
  }

  getattr(node: DirectoryNode): Attributes {
    return guarded(() => attributesOf(node, this.#stat(node)));
  }

  setattr(node: DirectoryNode, change: AttributeChange): void {
    this.#checkWritable();
    guarded(() => {
      if (change.size !== undefined) this.#truncate(node, change.size);
      this.#changePath(node, change);
    });
  }

  lookup(dir: DirectoryNode, name: string): DirectoryNode {
    return guarded(() => this.#found(dir, name));
  }

  readdir(dir: DirectoryNode): TreeEntry[] {
    return guarded(() => {
      const { path } = this.#locateDirectory(dir);
      const entries: TreeEntry[] = [];
      for (const name of readdirSync(path)) {
        const stats = statsAt(`${path}/${name}`);
        // Gone by now, or its name is no text.
        if (stats === undefined) continue;
        const type = typeOf(stats);
        entries.push({ name, ino: this.#nodes.inoOf(stats), type });
      }
      return entries;
    });
  }

  mkdir(dir: DirectoryNode, name: string, creation: Creation): DirectoryNode {
    return this.#make(dir, name, (path, parent) => {
      mkdirSync(path, { mode: 0o700 });
      if (isRoot) lchownSync(path, ...ownersOf(creation, parent));
      // Given to mkdir, it would lose what the monitor's umask has.
      chmodSync(path, creation.mode | (Number(parent.mode) & S_ISGID));
    });
  }

  /** Anything but a regular file would need rights that a monitor should not have. */
  mknod(dir: DirectoryNode, name: string, creation: SpecialCreation): DirectoryNode {
    if (creation.type !== FileType.REGULAR) throw new HostError("EPERM");
    const { node, file } = this.create(dir, name, creation, WRITE);
    file.close();
    return node;
  }

  symlink(dir: DirectoryNode, name: string, target: string, creation: Creation): DirectoryNode {
    return this.#make(dir, name, (path, parent) => {
      symlinkSync(target, path);
      if (isRoot) lchownSync(path, ...ownersOf(creation, parent));
    });
  }

  link(node: DirectoryNode, dir: DirectoryNode, name: string): void {
    this.#make(dir, name, (path) => linkSync(this.#checkedPath(node), path));
  }

  create(
    dir: DirectoryNode,
    name: string,
    creation: Creation,
    mode: OpenMode,
  ): { readonly node: DirectoryNode; readonly file: DirectoryFile } {
    let fd = -1;
    try {
      const node = this.#make(dir, name, (path, parent) => {
        fd = openSync(path, openFlags(mode) | O_CREAT | O_EXCL, 0o600);
        if (isRoot) fchownSync(fd, ...ownersOf(creation, parent));
        fchmodSync(fd, creation.mode & PERMISSIONS);
      });
      return { node, file: new DirectoryFile(fd, node, mode, this.#dirty) };
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      throw error;
    }
  }

  readlink(node: DirectoryNode): string {
    return guarded(() => readlinkSync(this.#checkedPath(node)));
  }

  unlink(dir: DirectoryNode, name: string): void {
    this.#checkWritable();
    guarded(() => unlinkSync(this.#join(dir, name)));
  }

  rmdir(dir: DirectoryNode, name: string): void {
    this.#checkWritable();
    guarded(() => rmdirSync(this.#join(dir, name)));
  }

  rename(
    fromDir: DirectoryNode,
    from: string,
    toDir: DirectoryNode,
    to: string,
    flags: RenameFlags,
  ): void {
    this.#checkWritable();
    // Node has no renameat2(2); this is what a file system says that cannot swap names.
    if (flags.exchange) throw new HostError("EINVAL");
    guarded(() => {
      const node = this.#found(fromDir, from);
      const target = this.#join(toDir, to);
      if (flags.noReplace && statsAt(target) !== undefined) throw new HostError("EEXIST");
      renameSync(this.#join(fromDir, from), target);
      node.moved({ dir: fromDir, name: from }, { dir: toDir, name: to });
    });
  }

  open(node: DirectoryNode, mode: OpenMode): DirectoryFile {
    if (mode.write) this.#checkWritable();
    return guarded(() => {
      const file = this.#openNode(node, mode, FileType.REGULAR);
      if (mode.truncate) file.truncate(0);
      return file;
    });
  }

  async fsyncdir(dir: DirectoryNode): Promise<void> {
    const file = guarded(() => this.#openNode(dir, READ, FileType.DIRECTORY));
    await file.fsync(false).finally(() => file.close());
  }

  async syncfs(): Promise<void> {
    for (const node of [...this.#dirty]) {
      const [open] = node.files;
      if (open !== undefined) await open.fsync(false);
      else await this.#syncClosed(node);
    }
  }

  statfs(): FileSystemStatus {
    return guarded(() => {
      const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(this.#path);
      const available = { availableBlocks: bavail, files, freeFiles: ffree };
      return { blockSize: bsize, blocks, freeBlocks: bfree, ...available };
    });
  }

  #checkWritable(): void {
    if (this.#readOnly) throw new HostError("EROFS");
  }

  /** Where a node should be. */
  #pathOf(node: DirectoryNode): string {
    const [place] = node.places;
    if (node === this.root) return this.#path;
    if (place === undefined) throw new HostError("ESTALE");
    return `${this.#pathOf(place.dir)}/${place.name}`;
  }

  /** A path at which the node is. @throws HostError ESTALE */
  #checkedPath(node: DirectoryNode): string {
    return this.#locate(node).path;
  }

  #locate(node: DirectoryNode): { readonly path: string; readonly stats: BigIntStats } {
    for (;;) {
      const path = this.#pathOf(node);
      const stats = statsAt(path);
      if (stats !== undefined && keyOf(stats) === node.key) return { path, stats };
      // A file with several names may still have another.
      if (node.places.length < 2) throw new HostError("ESTALE");
      node.places = node.places.slice(1);
    }
  }

  /** A link to a directory is none. @throws HostError ENOTDIR, ESTALE */
  #locateDirectory(node: DirectoryNode): { readonly path: string; readonly stats: BigIntStats } {
    const located = this.#locate(node);
    if (typeOf(located.stats) !== FileType.DIRECTORY) throw new HostError("ENOTDIR");
    return located;
  }

  #stat(node: DirectoryNode): BigIntStats {
    const [file] = node.files;
    return file === undefined ? this.#locate(node).stats : file.stat();
  }

  /** The path of a name in a directory. */
  #join(dir: DirectoryNode, name: string): string {
    if (sep === "\\" && /[\\:]/.test(name)) throw new HostError("EINVAL");
    return `${this.#locateDirectory(dir).path}/${name}`;
  }

  #found(dir: DirectoryNode, name: string): DirectoryNode {
    const stats = statsAt(this.#join(dir, name));
    if (stats === undefined) throw new HostError("ENOENT");
    const node = this.#nodes.intern(stats);
    if (node !== this.root) node.seen({ dir, name });
    return node;
  }

  #make(
    dir: DirectoryNode,
    name: string,
    make: (path: string, parent: BigIntStats) => void,
  ): DirectoryNode {
    this.#checkWritable();
    return guarded(() => {
      const { stats } = this.#locateDirectory(dir);
      make(this.#join(dir, name), stats);
      return this.#found(dir, name);
    });
  }

  #openNode(node: DirectoryNode, mode: OpenMode, type: number): DirectoryFile {
    const { path, stats } = this.#locate(node);
    const found = typeOf(stats);
    // A device or a pipe of the host's is nobody's to open.
    if (found !== type) throw new HostError(found === FileType.DIRECTORY ? "EISDIR" : "ENXIO");
    const fd = openSync(path, openFlags(mode));
    if (keyOf(fstatSync(fd, { bigint: true })) !== node.key) {
      closeSync(fd);
      throw new HostError("ESTALE");
    }
    return new DirectoryFile(fd, node, mode, this.#dirty);
  }

  #truncate(node: DirectoryNode, size: number): void {
    const open = [...node.files].find(({ isWritable }) => isWritable);
    if (open !== undefined) {
      open.truncate(size);
      return;
    }
    const file = this.#openNode(node, WRITE, FileType.REGULAR);
    try {
      file.truncate(size);
    } finally {
      file.close();
    }
  }

  #changePath(node: DirectoryNode, { mode, uid, gid, atime, mtime }: AttributeChange): void {
    const [file] = node.files;
    const stats = this.#stat(node);
    const owners = [uid ?? Number(stats.uid), gid ?? Number(stats.gid)] as const;
    if (uid !== undefined || gid !== undefined) {
      if (file === undefined) lchownSync(this.#checkedPath(node), ...owners);
      else fchownSync(file.fd, ...owners);
    }
    if (mode !== undefined) {
      // There is no way to change a link's, and chmod would follow it.
      if (typeOf(stats) === FileType.LINK) throw new HostError("EOPNOTSUPP");
      if (file === undefined) chmodSync(this.#checkedPath(node), mode);
      else fchmodSync(file.fd, mode);
    }
    if (atime === undefined && mtime === undefined) return;
    const times = [timeOf(atime, stats.atimeNs), timeOf(mtime, stats.mtimeNs)] as const;
    if (file === undefined) lutimesSync(this.#checkedPath(node), ...times);
    else futimesSync(file.fd, ...times);
  }

  async #syncClosed(node: DirectoryNode): Promise<void> {
    let file: DirectoryFile;
    try {
      file = this.#openNode(node, READ, FileType.REGULAR);
    } catch {
      // Removed, so there is nothing left to keep.
      this.#dirty.delete(node);
      return;
    }
    await file.fsync(false).finally(() => file.close());
  }
}

function typeOf({ mode }: BigIntStats): number {
  return Number(mode) & S_IFMT;
}

/** What is at a path, of a link the link itself; undefined if nothing is. */
function statsAt(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function openFlags({ read, write, append }: OpenMode): number {
  const access = write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return access | (append ? O_APPEND : 0) | O_SAFE;
}

/** A directory with the set-group-ID bit gives its group to what is made in it. */
function ownersOf({ uid, gid }: Creation, parent: BigIntStats): [uid: number, gid: number] {
  return [uid, (Number(parent.mode) & S_ISGID) !== 0 ? Number(parent.gid) : gid];
}

/** Node takes a negative number for the present, but not a date. */
function timeOf(time: Timestamp | "now" | undefined, old: bigint): number | Date {
  const seconds = time === undefined ? Number(old) / 1e9 : secondsOf(time);
  return seconds < 0 ? new Date(seconds * 1000) : seconds;
}

function secondsOf(time: Timestamp | "now"): number {
  return time === "now" ? Date.now() / 1000 : time.sec + time.nsec / 1e9;
}
