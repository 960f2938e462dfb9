/** Every operation that is served; the others answer EOPNOTSUPP. */
import {
  clunk,
  fsync,
  getlock,
  lcreate,
  lock,
  lopen,
  read,
  readdir,
  write,
} from "./file-operations.ts";
import {
  attach,
  getattr,
  link,
  mkdir,
  mknod,
  readlink,
  remove,
  rename,
  renameat,
  setattr,
  statfs,
  symlink,
  unlinkat,
  walk,
} from "./namespace-operations.ts";
import type { NinePOperation } from "./operation.ts";
import { GETATTR_SIZE, Message, QID_SIZE, STATFS_SIZE } from "./protocol.ts";
import { xattrcreate, xattrwalk } from "./xattr-operations.ts";

const OPENED_SIZE = QID_SIZE + 4;

export const OPERATIONS: ReadonlyMap<number, NinePOperation> = new Map([
  [Message.TSTATFS, { run: statfs, replySize: STATFS_SIZE }],
  [Message.TLOPEN, { run: lopen, replySize: OPENED_SIZE }],
  [Message.TLCREATE, { run: lcreate, replySize: OPENED_SIZE }],
  [Message.TSYMLINK, { run: symlink, replySize: QID_SIZE }],
  [Message.TMKNOD, { run: mknod, replySize: QID_SIZE }],
  [Message.TRENAME, { run: rename, replySize: 0 }],
  [Message.TREADLINK, { run: readlink, replySize: 0 }],
  [Message.TGETATTR, { run: getattr, replySize: GETATTR_SIZE }],
  [Message.TSETATTR, { run: setattr, replySize: 0 }],
  [Message.TXATTRWALK, { run: xattrwalk, replySize: 8 }],
  [Message.TXATTRCREATE, { run: xattrcreate, replySize: 0 }],
  [Message.TREADDIR, { run: readdir, replySize: 4 }],
  [Message.TFSYNC, { run: fsync, replySize: 0 }],
  [Message.TLOCK, { run: lock, replySize: 1 }],
  [Message.TGETLOCK, { run: getlock, replySize: 0 }],
  [Message.TLINK, { run: link, replySize: 0 }],
  [Message.TMKDIR, { run: mkdir, replySize: QID_SIZE }],
  [Message.TRENAMEAT, { run: renameat, replySize: 0 }],
  [Message.TUNLINKAT, { run: unlinkat, replySize: 0 }],
  [Message.TATTACH, { run: attach, replySize: QID_SIZE }],
  [Message.TWALK, { run: walk, replySize: 2 }],
  [Message.TREAD, { run: read, replySize: 4 }],
  [Message.TWRITE, { run: write, replySize: 4 }],
  [Message.TCLUNK, { run: clunk, replySize: 0 }],
  [Message.TREMOVE, { run: remove, replySize: 0 }],
]);
