/** 9P2000.L operations on opened fids. */
import type { DescriptorChain } from "../../chain.ts";
import { ChainTarget } from "../chain-target.ts";
import { HostError } from "../host-tree/errno.ts";
import { FieldWriter } from "../host-tree/fields.ts";
import { FileType, S_IFMT } from "../host-tree/host-tree.ts";
import { DirectoryListing, entryType } from "../host-tree/listing.ts";
import { encodeText } from "../host-tree/names.ts";
import { openModeOf } from "../host-tree/open-flags.ts";
import {
  checkOffset,
  createOrOpen,
  EMPTY,
  fillListing,
  type Reply,
} from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import type { Fid, OpenXattr } from "./fids.ts";
import {
  type Call,
  type Context,
  creation,
  nameField,
  qidReply,
  qidType,
  textField,
} from "./operation.ts";
import {
  LOCK_SUCCESS,
  LOCK_TYPE_UNLCK,
  QID_SIZE,
  READ_HEADER_SIZE,
  WRITE_HEADER_SIZE,
} from "./protocol.ts";
import { finishXattr } from "./xattr-operations.ts";

/** Behind the qid of Rlopen and Rlcreate: no advice on how much to transfer at once. */
const IOUNIT_SIZE = 4;

/** fid[4] flags[4] */
export function* lopen(context: Context, { args }: Call): Steps<Reply> {
  const { tree, fids, listings } = context;
  const number = args.u32();
  const fid = fids.closed(number);
  const mode = openModeOf(args.u32());
  const { node } = fid.location;
  fids.checkRoom();
  const attributes = yield* wait(tree.getattr(node));
  const isDirectory = (attributes.mode & S_IFMT) === FileType.DIRECTORY;
  if (isDirectory && mode.write) throw new HostError("EISDIR");
  const opened = isDirectory
    ? { ...fid, listing: new DirectoryListing(listings) }
    : { ...fid, file: yield* wait(tree.open(node, mode)) };
  yield* setOpened(context, number, opened);
  return yield* qidReply(context, node, IOUNIT_SIZE);
}

/** fid[4] name[s] flags[4] mode[4] gid[4]; the fid of the directory becomes that of the file. */
export function* lcreate(context: Context, { args }: Call): Steps<Reply> {
  const { tree, fids } = context;
  const number = args.u32();
  const fid = fids.closed(number);
  const name = nameField(args);
  const flags = args.u32();
  const made = creation(fid, args.u32(), args.u32());
  const mode = openModeOf(flags);
  fids.checkRoom();
  const parent = fid.location;
  const place = { dir: parent.node, name };
  const { node, file } = yield* createOrOpen(tree, place, made, flags, mode);
  yield* setOpened(context, number, { ...fid, file, location: { node, parent, name } });
  return yield* qidReply(context, node, IOUNIT_SIZE);
}

/** The fid may have been given back or opened meanwhile. */
function* setOpened(context: Context, number: number, opened: Fid): Steps<void> {
  try {
    context.fids.closed(number);
  } catch (error) {
    yield* closeFid(context, opened);
    throw error;
  }
  context.fids.set(number, opened);
}

/** fid[4] offset[8] count[4] */
export function* read(context: Context, { args, chain }: Call): Steps<Reply> {
  const { file, xattr } = context.fids.get(args.u32());
  const offset = checkOffset(args.u64());
  const length = Math.min(args.u32(), roomIn(context, chain));
  const target = new ChainTarget(chain, READ_HEADER_SIZE, length);
  let count: number;
  if (xattr !== undefined) {
    count = readXattr(xattr, offset, target);
  } else {
    if (file === undefined) throw new HostError("EBADF");
    count = yield* wait(file.read(offset, target));
  }
  // The count comes before the data, which is in its place already.
  chain.writeAt(READ_HEADER_SIZE - 4, new FieldWriter(4).u32(count).bytes);
  return 4 + count;
}

function readXattr({ value, flags }: OpenXattr, offset: number, target: ChainTarget): number {
  if (flags !== undefined) throw new HostError("EBADF");
  const bytes = value.subarray(Math.min(offset, value.length)).subarray(0, target.length);
  target.write(0, bytes);
  return bytes.length;
}

/** fid[4] offset[8] count[4] data[count]; the data is taken from where the guest has it. */
export function* write({ fids }: Context, { args, chain }: Call): Steps<Reply> {
  const { file, xattr } = fids.get(args.u32());
  const offset = checkOffset(args.u64());
  const size = args.u32();
  if (chain.readableLength < WRITE_HEADER_SIZE + size) throw new HostError("EINVAL");
  const source = chain.readableViews(WRITE_HEADER_SIZE, size);
  const count = new FieldWriter(4);
  if (xattr !== undefined) {
    if (xattr.flags === undefined) throw new HostError("EBADF");
    if (offset + size > xattr.value.length) throw new HostError("ENOSPC");
    chain.readAt(WRITE_HEADER_SIZE, xattr.value.subarray(offset, offset + size));
    return count.u32(size).bytes;
  }
  if (file === undefined) throw new HostError("EBADF");
  return count.u32(yield* wait(file.write(offset, source))).bytes;
}

/** fid[4] offset[8] count[4] */
export function* readdir(context: Context, { args, chain }: Call): Steps<Reply> {
  const { listing, location } = context.fids.get(args.u32());
  if (listing === undefined) throw new HostError("EBADF");
  const offset = args.u64();
  const size = Math.min(args.u32(), roomIn(context, chain));
  yield* fillListing(context, listing, location.node, offset);
  const out = new FieldWriter(4 + size).skip(4);
  for (let position = offset; ; position++) {
    const entry = listing.at(position);
    if (entry === undefined) break;
    const name = encodeText(entry.name);
    if (out.position + QID_SIZE + 11 + name.length > 4 + size) {
      // An empty reply would mean the end.
      if (position === offset) throw new HostError("EINVAL");
      break;
    }
    out
      .u8(qidType(entry.type))
      .u32(0)
      .u64(entry.ino)
      .u64(position + 1)
      .u8(entryType(entry));
    out.u16(name.length).raw(name);
  }
  const end = out.position;
  out.position = 0;
  out.u32(end - 4);
  return out.bytes.subarray(0, end);
}

/** fid[4] datasync[4] */
export function* fsync({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const { file, location } = fids.get(args.u32());
  const dataOnly = args.u32() !== 0;
  yield* wait(file === undefined ? tree.fsyncdir(location.node) : file.fsync(dataOnly));
  return EMPTY;
}

/** fid[4] */
export function* clunk(context: Context, { args }: Call): Steps<Reply> {
  const fid = context.fids.take(args.u32());
  if (fid.file?.flush !== undefined) yield* wait(fid.file.flush());
  yield* closeFid(context, fid);
  return EMPTY;
}

/** Closes what a fid that was taken out has open. */
export function* closeFid(context: Context, { file, listing, xattr, location }: Fid): Steps<void> {
  listing?.close();
  if (file !== undefined) yield* wait(file.close());
  if (xattr !== undefined) yield* finishXattr(context, location.node, xattr);
}

/**
 * fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]. One guest has the share, and
 * its kernel has asked its own locks before it asks here.
 */
export function* lock({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  yield* wait(tree.getattr(fids.get(args.u32()).location.node));
  return new FieldWriter(1).u8(LOCK_SUCCESS).bytes;
}

/** fid[4] type[1] start[8] length[8] proc_id[4] client_id[s], and so the reply without the fid */
export function* getlock({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const { node } = fids.get(args.u32()).location;
  args.skip(1);
  const range = args.bytes(20).slice();
  const client = textField(args).slice();
  yield* wait(tree.getattr(node));
  const out = new FieldWriter(1 + range.length + 2 + client.length).u8(LOCK_TYPE_UNLCK);
  return out.raw(range).u16(client.length).raw(client).bytes;
}

function roomIn({ msize }: Context, chain: DescriptorChain): number {
  return Math.max(0, Math.min(chain.writableLength, msize) - READ_HEADER_SIZE);
}
