/** What follows the header of each FUSE answer: the `*_out` structures of Linux's `fuse.h`. */
import { InitFlag, Opcode, Out } from "../../virtio/devices/fuse/abi.ts";
import { bytesText, flags, hex, octal } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

/** Reads the rest of an answer; returns it in short. */
type Read = (reader: PayloadReader) => string;

const INIT_FLAGS = flags(InitFlag);

/** `struct fuse_attr`. */
const readAttributes: Read = (reader) => {
  let text = "";
  reader.group("attr", () => {
    const inode = reader.u64("ino");
    const size = reader.u64("size");
    reader.u64("blocks");
    for (const name of ["atime", "mtime", "ctime"]) reader.u64(name);
    for (const name of ["atimensec", "mtimensec", "ctimensec"]) reader.u32(name);
    const mode = octal(reader.u32("mode", octal));
    for (const name of ["nlink", "uid", "gid"]) reader.u32(name);
    reader.u32("rdev", hex);
    reader.u32("blksize");
    reader.u32("flags", hex);
    text = `inode ${inode} mode ${mode} ${bytesText(size)}`;
    return text;
  });
  return text;
};

/** `struct fuse_entry_out`. */
const readEntry: Read = (reader) => {
  const node = reader.u64("nodeid");
  reader.u64("generation");
  reader.u64("entry_valid");
  reader.u64("attr_valid");
  reader.u32("entry_valid_nsec");
  reader.u32("attr_valid_nsec");
  readAttributes(reader);
  return `node ${node}`;
};

const readAttrOut: Read = (reader) => {
  reader.u64("attr_valid");
  reader.u32("attr_valid_nsec");
  reader.u32("dummy");
  return readAttributes(reader);
};

const readOpened: Read = (reader) => {
  const handle = reader.u64("fh");
  reader.u32("open_flags", hex);
  reader.u32("backing_id");
  return `handle ${handle}`;
};

const readCreated: Read = (reader) => {
  const node = readEntry(reader);
  return `${node} ${readOpened(reader)}`;
};

const readWritten: Read = (reader) => {
  const size = reader.u32("size");
  reader.u32("padding");
  return bytesText(size);
};

const readData: Read = (reader) => bytesText(reader.rest("data"));

/** `struct fuse_statfs_out`. */
const readStatfs: Read = (reader) => {
  const blocks = reader.u64("blocks");
  const free = reader.u64("bfree");
  for (const name of ["bavail", "files", "ffree"]) reader.u64(name);
  for (const name of ["bsize", "namelen", "frsize"]) reader.u32(name);
  return `${free} of ${blocks} blocks free`;
};

const readXattrSize: Read = (reader) => {
  if (reader.remaining !== Out.XATTR) return readData(reader);
  const size = reader.u32("size");
  reader.u32("padding");
  return bytesText(size);
};

const readInit: Read = (reader) => {
  const major = reader.u32("major");
  const minor = reader.u32("minor");
  reader.u32("max_readahead");
  reader.u32("flags", INIT_FLAGS);
  reader.u16("max_background");
  reader.u16("congestion_threshold");
  reader.u32("max_write");
  return `version ${major}.${minor}`;
};

/** `struct fuse_dirent`, each at a multiple of 8 bytes. */
function readDirectory(reader: PayloadReader, isPlus: boolean): string {
  const names: string[] = [];
  reader.listToEnd(() =>
    reader.group("entry", () => {
      const start = reader.position;
      if (isPlus) readEntry(reader);
      reader.u64("ino");
      reader.u64("off");
      const length = reader.u32("namelen");
      reader.u32("type", octal);
      const name = JSON.stringify(reader.text("name", length));
      names.push(name);
      reader.skip(-(reader.position - start) & 7);
      return name;
    }),
  );
  return names.join(" ");
}

export const FUSE_ANSWERS: ReadonlyMap<number, Read> = new Map([
  [Opcode.LOOKUP, readEntry],
  [Opcode.GETATTR, readAttrOut],
  [Opcode.SETATTR, readAttrOut],
  [Opcode.READLINK, (reader) => JSON.stringify(reader.text("target", reader.remaining))],
  [Opcode.SYMLINK, readEntry],
  [Opcode.MKNOD, readEntry],
  [Opcode.MKDIR, readEntry],
  [Opcode.LINK, readEntry],
  [Opcode.OPEN, readOpened],
  [Opcode.READ, readData],
  [Opcode.WRITE, readWritten],
  [Opcode.STATFS, readStatfs],
  [Opcode.GETXATTR, readXattrSize],
  [Opcode.LISTXATTR, readXattrSize],
  [Opcode.INIT, readInit],
  [Opcode.OPENDIR, readOpened],
  [Opcode.READDIR, (reader) => readDirectory(reader, false)],
  [Opcode.READDIRPLUS, (reader) => readDirectory(reader, true)],
  [Opcode.CREATE, readCreated],
  [Opcode.LSEEK, (reader) => `offset ${reader.u64("offset")}`],
]);
