/** Constants of 9P2000.L as Linux speaks it, under its own names. */
import { ChangeBit } from "../host-tree/attribute-change.ts";

export const VERSION = "9P2000.L";

/** Types of requests; a reply has the next number. */
export const Message = {
  RLERROR: 7,
  TSTATFS: 8,
  TLOPEN: 12,
  TLCREATE: 14,
  TSYMLINK: 16,
  TMKNOD: 18,
  TRENAME: 20,
  TREADLINK: 22,
  TGETATTR: 24,
  TSETATTR: 26,
  TXATTRWALK: 30,
  TXATTRCREATE: 32,
  TREADDIR: 40,
  TFSYNC: 50,
  TLOCK: 52,
  TGETLOCK: 54,
  TLINK: 70,
  TMKDIR: 72,
  TRENAMEAT: 74,
  TUNLINKAT: 76,
  TVERSION: 100,
  TATTACH: 104,
  TFLUSH: 108,
  TWALK: 110,
  TREAD: 116,
  TWRITE: 118,
  TCLUNK: 120,
  TREMOVE: 122,
} as const;

/** size[4] type[1] tag[2] */
export const HEADER_SIZE = 7;
/** The header of Rlerror and its ecode[4]. */
export const ERROR_SIZE = 11;
/** The header of Rread or Rreaddir and its count[4]. */
export const READ_HEADER_SIZE = 11;
/** The header of Twrite, with fid[4] offset[8] count[4]. */
export const WRITE_HEADER_SIZE = 23;

/** Bytes of a qid, and of the fields of Rgetattr and Rstatfs. */
export const QID_SIZE = 13;
export const GETATTR_SIZE = 153;
export const STATFS_SIZE = 60;

/** Types of a qid. */
export const Qid = { DIRECTORY: 0x80, LINK: 0x02, FILE: 0 } as const;

/** `valid` of Tsetattr. */
export const SetAttr = {
  ...ChangeBit,
  ATIME_SET: 1 << 7,
  MTIME_SET: 1 << 8,
} as const;

/** What Rgetattr has: everything up to the blocks. */
export const GETATTR_BASIC = 0x7ff;

/** A flag of Tunlinkat. */
export const AT_REMOVEDIR = 0x200;

/** The type that statfs(2) reports. */
export const V9FS_MAGIC = 0x0102_1997;

/** Rlock: the lock is given. */
export const LOCK_SUCCESS = 0;
/** Rgetlock: nobody has a lock there. */
export const LOCK_TYPE_UNLCK = 2;
