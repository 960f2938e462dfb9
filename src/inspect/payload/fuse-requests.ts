/** What follows the header of each FUSE request: the `*_in` structures of Linux's `fuse.h`, and names. */
import { Fattr, InitFlag, Opcode } from "../../virtio/devices/fuse/abi.ts";
import { bytesText, flags, hex, octal } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

/** Reads the rest of a request; returns it in short. */
type Read = (reader: PayloadReader) => string;

const VALID = flags(Fattr);
const INIT_FLAGS = flags(InitFlag);
const MAPPING = flags({ WRITE: 1, READ: 2 });

const readName: Read = (reader) => JSON.stringify(reader.string("name"));

const readHandle: Read = (reader) => `handle ${reader.u64("fh")}`;

/** `struct fuse_read_in`, which reads of directories have too. */
const readRead: Read = (reader) => {
  const handle = readHandle(reader);
  const offset = reader.u64("offset");
  const size = reader.u32("size");
  reader.u32("read_flags", hex);
  reader.u64("lock_owner");
  reader.u32("flags", octal);
  reader.u32("padding");
  return `${handle} ${bytesText(size)} at ${offset}`;
};

/** `struct fuse_write_in` and the data. */
const readWrite: Read = (reader) => {
  const handle = readHandle(reader);
  const offset = reader.u64("offset");
  const size = reader.u32("size");
  reader.u32("write_flags", hex);
  reader.u64("lock_owner");
  reader.u32("flags", octal);
  reader.u32("padding");
  return `${handle} ${bytesText(size)} at ${offset}`;
};

const readOpen: Read = (reader) => {
  const mode = octal(reader.u32("flags", octal));
  reader.u32("open_flags", hex);
  return `flags ${mode}`;
};

const readRelease: Read = (reader) => {
  const handle = readHandle(reader);
  reader.u32("flags", octal);
  reader.u32("release_flags", hex);
  reader.u64("lock_owner");
  return handle;
};

const readFlush: Read = (reader) => {
  const handle = readHandle(reader);
  reader.u32("unused");
  reader.u32("padding");
  reader.u64("lock_owner");
  return handle;
};

const readFsync: Read = (reader) => {
  const handle = readHandle(reader);
  reader.u32("fsync_flags", flags({ FDATASYNC: 1 }));
  reader.u32("padding");
  return handle;
};

const readGetattr: Read = (reader) => {
  reader.u32("getattr_flags", flags({ FH: 1 }));
  reader.u32("dummy");
  readHandle(reader);
  return "";
};

/** `struct fuse_setattr_in`. */
const readSetattr: Read = (reader) => {
  const valid = VALID(reader.u32("valid", VALID));
  reader.u32("padding");
  readHandle(reader);
  reader.u64("size");
  reader.u64("lock_owner");
  for (const name of ["atime", "mtime", "ctime"]) reader.u64(name);
  for (const name of ["atimensec", "mtimensec", "ctimensec"]) reader.u32(name);
  reader.u32("mode", octal);
  reader.u32("unused4");
  reader.u32("uid");
  reader.u32("gid");
  reader.u32("unused5");
  return valid;
};

const readMknod: Read = (reader) => {
  const mode = octal(reader.u32("mode", octal));
  reader.u32("rdev", hex);
  reader.u32("umask", octal);
  reader.u32("padding");
  return `${readName(reader)} mode ${mode}`;
};

const readMkdir: Read = (reader) => {
  const mode = octal(reader.u32("mode", octal));
  reader.u32("umask", octal);
  return `${readName(reader)} mode ${mode}`;
};

/** `struct fuse_create_in`. */
const readCreate: Read = (reader) => {
  reader.u32("flags", octal);
  const mode = octal(reader.u32("mode", octal));
  reader.u32("umask", octal);
  reader.u32("open_flags", hex);
  return `${readName(reader)} mode ${mode}`;
};

const readSymlink: Read = (reader) => {
  const name = readName(reader);
  return `${name} → ${JSON.stringify(reader.string("target"))}`;
};

const readLink: Read = (reader) => {
  const node = reader.u64("oldnodeid");
  return `${readName(reader)} of node ${node}`;
};

const readNames: Read = (reader) => {
  const from = JSON.stringify(reader.string("old name"));
  return `${from} to ${JSON.stringify(reader.string("new name"))}`;
};

const readRename: Read = (reader) => {
  const node = reader.u64("newdir");
  return `${readNames(reader)} in node ${node}`;
};

const readRename2: Read = (reader) => {
  const node = reader.u64("newdir");
  reader.u32("flags", flags({ NOREPLACE: 1, EXCHANGE: 2 }));
  reader.u32("padding");
  return `${readNames(reader)} in node ${node}`;
};

const readSetxattr: Read = (reader) => {
  const size = reader.u32("size");
  reader.u32("flags", flags({ CREATE: 1, REPLACE: 2 }));
  return `${readName(reader)} ${bytesText(size)}`;
};

const readGetxattr: Read = (reader) => {
  reader.u32("size");
  reader.u32("padding");
  return reader.remaining > 0 ? readName(reader) : "";
};

const readAccess: Read = (reader) => {
  const mask = octal(reader.u32("mask", octal));
  reader.u32("padding");
  return `mask ${mask}`;
};

const readFallocate: Read = (reader) => {
  const handle = readHandle(reader);
  const offset = reader.u64("offset");
  const length = reader.u64("length");
  reader.u32("mode", hex);
  reader.u32("padding");
  return `${handle} ${bytesText(length)} at ${offset}`;
};

const readLseek: Read = (reader) => {
  const handle = readHandle(reader);
  const offset = reader.u64("offset");
  reader.u32("whence");
  reader.u32("padding");
  return `${handle} ${offset}`;
};

/** `struct fuse_setupmapping_in`. */
const readSetupmapping: Read = (reader) => {
  reader.u64("fh");
  const offset = reader.u64("foffset");
  const length = reader.u64("len");
  const mode = MAPPING(reader.u32("flags", MAPPING));
  reader.u32("flags, high", hex);
  const place = reader.u64("moffset");
  return `${mode} ${bytesText(length)} at ${offset}, in the window at ${place}`;
};

const readRemovemapping: Read = (reader) => {
  const count = reader.u32("count");
  reader.listToEnd(() =>
    reader.group("range", () => {
      const place = reader.u64("moffset");
      return `${bytesText(reader.u64("len"))} at ${place}`;
    }),
  );
  return `${count} ranges`;
};

/** `struct fuse_init_in`. */
const readInit: Read = (reader) => {
  const major = reader.u32("major");
  const minor = reader.u32("minor");
  reader.u32("max_readahead");
  reader.u32("flags", INIT_FLAGS);
  return `version ${major}.${minor}`;
};

const readForget: Read = (reader) => `${reader.u64("nlookup")} lookups`;

const readBatchForget: Read = (reader) => {
  const count = reader.u32("count");
  reader.u32("dummy");
  reader.listToEnd(() =>
    reader.group("forget", () => {
      const node = reader.u64("nodeid");
      return `node ${node}, ${reader.u64("nlookup")} lookups`;
    }),
  );
  return `${count} nodes`;
};

export const FUSE_REQUESTS: ReadonlyMap<number, Read> = new Map([
  [Opcode.LOOKUP, readName],
  [Opcode.FORGET, readForget],
  [Opcode.GETATTR, readGetattr],
  [Opcode.SETATTR, readSetattr],
  [Opcode.SYMLINK, readSymlink],
  [Opcode.MKNOD, readMknod],
  [Opcode.MKDIR, readMkdir],
  [Opcode.UNLINK, readName],
  [Opcode.RMDIR, readName],
  [Opcode.RENAME, readRename],
  [Opcode.LINK, readLink],
  [Opcode.OPEN, readOpen],
  [Opcode.READ, readRead],
  [Opcode.WRITE, readWrite],
  [Opcode.RELEASE, readRelease],
  [Opcode.FSYNC, readFsync],
  [Opcode.SETXATTR, readSetxattr],
  [Opcode.GETXATTR, readGetxattr],
  [Opcode.LISTXATTR, readGetxattr],
  [Opcode.REMOVEXATTR, readName],
  [Opcode.FLUSH, readFlush],
  [Opcode.INIT, readInit],
  [Opcode.OPENDIR, readOpen],
  [Opcode.READDIR, readRead],
  [Opcode.RELEASEDIR, readRelease],
  [Opcode.FSYNCDIR, readFsync],
  [Opcode.ACCESS, readAccess],
  [Opcode.CREATE, readCreate],
  [Opcode.INTERRUPT, (reader) => `request ${reader.u64("unique")}`],
  [Opcode.BATCH_FORGET, readBatchForget],
  [Opcode.FALLOCATE, readFallocate],
  [Opcode.READDIRPLUS, readRead],
  [Opcode.RENAME2, readRename2],
  [Opcode.LSEEK, readLseek],
  [Opcode.SETUPMAPPING, readSetupmapping],
  [Opcode.REMOVEMAPPING, readRemovemapping],
]);
