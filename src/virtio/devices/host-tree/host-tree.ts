/**
 * What the devices that share files need of a tree of files on the host.
 *
 * A method answers at once or with a promise; it throws or rejects with a `HostError`, whose number
 * the guest sees, and anything else is an I/O error to the guest. Names have been checked: they are
 * one component, neither "." nor "..", of at most `NAME_MAX` bytes. Permissions are the guest's to
 * check, as on a local disk.
 */
import type { BlockTarget } from "../block-backend.ts";

export type Answer<T> = T | Promise<T>;

/** Bytes of one name, as Linux has it. */
export const NAME_MAX = 255;

/** Files and directories that a guest may have open at once: descriptors of the host's, perhaps. */
export const OPEN_FILES_MAX = 1 << 14;

/** Bytes of the target of a symbolic link, without the NUL: Linux's PATH_MAX less one. */
export const LINK_TARGET_MAX = 4095;

/** The type in a mode. */
export const S_IFMT = 0o170000;
export const FileType = {
  FIFO: 0o010000,
  CHARACTER: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK: 0o060000,
  REGULAR: 0o100000,
  LINK: 0o120000,
  SOCKET: 0o140000,
} as const;

/** What stat(2) calls the best size for transfers, in bytes. */
export const TRANSFER_UNIT = 4096;

/** The bits of a mode that are not the type. */
export const PERMISSIONS = 0o7777;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o0010;

/** Since 1970; `nsec` from 0 to 999,999,999. */
export interface Timestamp {
  readonly sec: number;
  readonly nsec: number;
}

/** What `st_blocks` of stat(2) counts, in bytes. */
export const ATTRIBUTE_BLOCK = 512;

export interface Attributes {
  /** Unique in the tree while the file exists; below 2^53. */
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** As Linux encodes it in 32 bits. */
  readonly rdev: number;
  /** In bytes. */
  readonly size: number;
  /** Space in use, in units of `ATTRIBUTE_BLOCK`. */
  readonly blocks: number;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
}

/** What is to change; the rest stays. */
export interface AttributeChange {
  /** Permissions. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: Timestamp | "now";
  readonly mtime?: Timestamp | "now";
}

/** Of a new file: its permissions, and who makes it. */
export interface Creation {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SpecialCreation extends Creation {
  /** One of `FileType`, neither DIRECTORY nor LINK. */
  readonly type: number;
  readonly rdev: number;
}

export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate: boolean;
  /** Each write goes to the end, whatever its offset. */
  readonly append: boolean;
}

export interface TreeEntry {
  readonly name: string;
  readonly ino: number;
  /** One of `FileType`. */
  readonly type: number;
}

export interface RenameFlags {
  /** EEXIST if the new name is taken. */
  readonly noReplace: boolean;
  /** Both names exist and swap. */
  readonly exchange: boolean;
}

/** In blocks of `blockSize` bytes. */
export interface FileSystemStatus {
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** Where a read puts its bytes. */
export interface FileTarget extends BlockTarget {
  /** The buffers themselves, to be written during the call only. */
  views(): readonly Uint8Array[];
}

/** An open file. Offsets and lengths are below 2^53. */
export interface HostFile {
  /** Resolves with the number of bytes from `offset` on, less than asked for only at the end. */
  read(offset: number, target: FileTarget): Answer<number>;
  /**
   * `source` is guest memory, valid during the call only: what is needed later is copied first.
   * Resolves with the number of bytes taken.
   */
  write(offset: number, source: readonly Uint8Array[]): Answer<number>;
  /** Resolves when what was written is durable, as far as the tree can make it so. */
  fsync(dataOnly: boolean): Answer<void>;
  /** A descriptor of the guest's was closed: what was written is to be visible on the host. */
  flush?(): Answer<void>;
  close(): Answer<void>;
  /** fallocate(2) with these mode bits. Absent: not offered. */
  allocate?(offset: number, length: number, mode: number): Answer<void>;
  /** lseek(2) for data or a hole at or after `offset`. Absent: all is data. */
  seek?(offset: number, what: "data" | "hole"): Answer<number>;
}

/** Extended attributes; ENODATA if there is none of that name. */
export interface TreeXattrs<N extends object> {
  get(node: N, name: string): Answer<Uint8Array>;
  list(node: N): Answer<readonly string[]>;
  set(node: N, name: string, value: Uint8Array, flags: XattrFlags): Answer<void>;
  remove(node: N, name: string): Answer<void>;
}

export interface XattrFlags {
  /** EEXIST if there is one. */
  readonly create: boolean;
  /** ENODATA if there is none. */
  readonly replace: boolean;
}

/**
 * `N` is what stands for an inode: one object for as long as anybody holds it, however many names
 * lead to it. A node that is gone from the host answers ESTALE or ENOENT.
 */
export interface HostTree<N extends object = object> {
  readonly root: N;
  /**
   * How long a guest may take it that a name leads to the same node, and that a directory's
   * attributes are the same, though not what is in it nor any file's attributes. A node to which no name leads
   * any more then has to answer ESTALE, upon which the guest looks the name up anew.
   */
  readonly cacheMs: number;
  getattr(node: N): Answer<Attributes>;
  setattr(node: N, change: AttributeChange): Answer<void>;
  lookup(dir: N, name: string): Answer<N>;
  /** Complete, without "." and "..". */
  readdir(dir: N): Answer<readonly TreeEntry[]>;
  /** EEXIST if the name is taken; so do the others that make one. */
  mkdir(dir: N, name: string, creation: Creation): Answer<N>;
  mknod(dir: N, name: string, creation: SpecialCreation): Answer<N>;
  symlink(dir: N, name: string, target: string, creation: Creation): Answer<N>;
  link(node: N, dir: N, name: string): Answer<void>;
  /** A new regular file, opened; its permissions do not restrict `mode`. */
  create(dir: N, name: string, creation: Creation, mode: OpenMode): Answer<Created<N>>;
  readlink(node: N): Answer<string>;
  unlink(dir: N, name: string): Answer<void>;
  rmdir(dir: N, name: string): Answer<void>;
  rename(fromDir: N, from: string, toDir: N, to: string, flags: RenameFlags): Answer<void>;
  open(node: N, mode: OpenMode): Answer<HostFile>;
  /** Resolves when the names in `dir` are durable. */
  fsyncdir(dir: N): Answer<void>;
  /** Resolves when all that was written is durable. Absent: not offered. */
  syncfs?(): Answer<void>;
  statfs(): Answer<FileSystemStatus>;
  readonly xattrs?: TreeXattrs<N>;
}

export interface Created<N extends object> {
  readonly node: N;
  readonly file: HostFile;
}

/** From milliseconds since 1970. */
export function timestampOf(ms: number): Timestamp {
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
}
