/** Constants of the FUSE kernel interface, version 7.41 (Linux 6.12), under its own names. */
import { ChangeBit } from "../host-tree/attribute-change.ts";

export const FUSE_KERNEL_VERSION = 7;
export const FUSE_KERNEL_MINOR_VERSION = 41;

/** Before this minor version the structures were shorter. */
export const FUSE_MINOR_MIN = 23;

export const FUSE_ROOT_ID = 1;

export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
} as const;

/** Flags of INIT. */
export const InitFlag = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  BIG_WRITES: 1 << 5,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  PARALLEL_DIROPS: 1 << 18,
  MAX_PAGES: 1 << 22,
  MAP_ALIGNMENT: 1 << 26,
  HANDLE_KILLPRIV_V2: 1 << 28,
} as const;

/** `valid` of SETATTR. */
export const Fattr = {
  ...ChangeBit,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const;

export const OPEN_KILL_SUIDGID = 1;
export const WRITE_KILL_SUIDGID = 4;
export const FSYNC_FDATASYNC = 1;
export const SETUPMAPPING_FLAG_WRITE = 1;

/** Ranges of one REMOVEMAPPING: what fits into a page. */
export const REMOVEMAPPING_MAX = 256;

/** Bytes of the structures that requests and replies begin with. */
export const IN_HEADER_SIZE = 40;
export const OUT_HEADER_SIZE = 16;

/** Bytes of the structures in replies. */
export const Out = {
  ATTR: 104,
  ENTRY: 128,
  OPEN: 16,
  WRITE: 8,
  STATFS: 80,
  XATTR: 8,
  LSEEK: 8,
  INIT: 64,
  DIRENT: 24,
} as const;
