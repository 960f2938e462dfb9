/** The structures of FUSE's replies. */
import { FieldWriter } from "../host-tree/fields.ts";
import {
  type Attributes,
  type FileSystemStatus,
  FileType,
  S_IFMT,
  type Timestamp,
  TRANSFER_UNIT,
} from "../host-tree/host-tree.ts";
import { Out } from "./abi.ts";

export class Structure extends FieldWriter {
  /** `struct fuse_attr`. */
  attributes(attributes: Attributes): this {
    const { ino, size, blocks, atime, mtime, ctime, mode, nlink, uid, gid, rdev } = attributes;
    this.u64(ino).u64(size).u64(blocks).u64(atime.sec).u64(mtime.sec).u64(ctime.sec);
    this.u32(atime.nsec).u32(mtime.nsec).u32(ctime.nsec);
    this.u32(mode).u32(nlink).u32(uid).u32(gid).u32(rdev).u32(TRANSFER_UNIT);
    return this.skip(4);
  }

  /** `struct fuse_entry_out`. */
  entry(id: number, attributes: Attributes, cacheMs: number): this {
    const name = durationOf(cacheMs);
    const own = durationOf(attributeCacheMs(attributes, cacheMs));
    this.u64(id).u64(0).u64(name.sec).u64(own.sec).u32(name.nsec).u32(own.nsec);
    return this.attributes(attributes);
  }
}

/** `struct fuse_attr_out`. */
export function attrOut(attributes: Attributes, cacheMs: number): Uint8Array {
  const { sec, nsec } = durationOf(attributeCacheMs(attributes, cacheMs));
  return new Structure(Out.ATTR).u64(sec).u32(nsec).skip(4).attributes(attributes).bytes;
}

/** `struct fuse_statfs_out`. */
export function statfsOut(status: FileSystemStatus, nameMax: number): Uint8Array {
  const { blocks, freeBlocks, availableBlocks, files, freeFiles, blockSize } = status;
  const out = new Structure(Out.STATFS);
  out.u64(blocks).u64(freeBlocks).u64(availableBlocks).u64(files).u64(freeFiles);
  return out.u32(blockSize).u32(nameMax).u32(blockSize).bytes;
}

/**
 * A directory's are asked for with each step of a path, for its permissions. Those of other files
 * the guest has to ask for each time, since the host may change a file at any moment.
 */
function attributeCacheMs({ mode }: Attributes, cacheMs: number): number {
  return (mode & S_IFMT) === FileType.DIRECTORY ? cacheMs : 0;
}

function durationOf(ms: number): Timestamp {
  return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1_000_000 };
}
