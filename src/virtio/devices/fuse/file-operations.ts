/** FUSE operations on open files. */
import type { DescriptorChain } from "../../chain.ts";
import { ChainTarget } from "../chain-target.ts";
import { HostError } from "../host-tree/errno.ts";
import type { FileTarget } from "../host-tree/host-tree.ts";
import { parseName } from "../host-tree/names.ts";
import {
  FALLOC_PUNCH_HOLE,
  FALLOC_ZERO_RANGE,
  O_TRUNC,
  openModeOf,
} from "../host-tree/open-flags.ts";
import { checkOffset, createOrOpen, EMPTY, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import {
  FSYNC_FDATASYNC,
  IN_HEADER_SIZE,
  OPEN_KILL_SUIDGID,
  OUT_HEADER_SIZE,
  Out,
  WRITE_KILL_SUIDGID,
} from "./abi.ts";
import { Structure } from "./message.ts";
import { creation } from "./namespace-operations.ts";
import { entryReply, type FuseCall, type FuseContext, killPrivileges } from "./operation.ts";

/** Where the data of WRITE is: behind the header and `struct fuse_write_in`. */
export const WRITE_DATA = IN_HEADER_SIZE + 40;

/** Bytes of one READ or WRITE: what INIT promises, 256 pages. */
export const FUSE_TRANSFER_MAX = 1024 * 1024;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** `struct fuse_open_in`. */
export function* open(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const { tree, nodes, handles } = context;
  const node = nodes.get(nodeId);
  const mode = openModeOf(args.u32());
  const kills = (args.u32() & OPEN_KILL_SUIDGID) !== 0;
  handles.checkRoom();
  // The guest gives the offset of each write, also of those to the end.
  const file = yield* wait(tree.open(node, { ...mode, append: false }));
  const fh = handles.add({ node, file });
  if (mode.truncate) context.dax?.zeroed(node, 0);
  else if (context.dax !== undefined) yield* context.dax.refresh(node);
  if (kills && mode.truncate) yield* killPrivileges(context, node);
  return new Structure(Out.OPEN).u64(fh).bytes;
}

/** `struct fuse_create_in`. */
export function* create(context: FuseContext, call: FuseCall): Steps<Reply> {
  const { tree, nodes, handles } = context;
  const dir = nodes.get(call.nodeId);
  const flags = call.args.u32();
  const permissions = call.args.u32();
  call.args.skip(8);
  const name = parseName(call.args.string());
  const mode = { ...openModeOf(flags), append: false, truncate: (flags & O_TRUNC) !== 0 };
  handles.checkRoom();
  const made = creation(call, permissions);
  const { node, file } = yield* createOrOpen(tree, { dir, name }, made, flags, mode);
  const fh = handles.add({ node, file });
  try {
    const entry = yield* entryReply(context, node);
    return new Structure(Out.ENTRY + Out.OPEN).raw(entry).u64(fh).bytes;
  } catch (error) {
    yield* closeHandle(context, fh);
    throw error;
  }
}

/** `struct fuse_read_in`. */
export function* read({ handles, dax }: FuseContext, { args, chain }: FuseCall): Steps<Reply> {
  const { node, file } = handles.opened(args.u64());
  const offset = checkOffset(args.u64());
  const room = Math.min(chain.writableLength - OUT_HEADER_SIZE, FUSE_TRANSFER_MAX);
  const length = Math.min(args.u32(), room);
  const target: FileTarget = new ChainTarget(chain, OUT_HEADER_SIZE, length);
  if (dax !== undefined) yield* dax.writeBack(node);
  return yield* wait(file.read(offset, target));
}

/** `struct fuse_write_in`; the data is taken from where the guest has it. */
export function* write(context: FuseContext, { nodeId, args, chain }: FuseCall): Steps<Reply> {
  const named = context.nodes.get(nodeId);
  const { node, file } = context.handles.opened(args.u64());
  const offset = checkOffset(args.u64());
  const size = args.u32();
  const kills = (args.u32() & WRITE_KILL_SUIDGID) !== 0;
  const source = dataOf(chain, size);
  const count = yield* wait(file.write(offset, source));
  context.dax?.written(node, offset, chain.readableViews(WRITE_DATA, count));
  if (kills) yield* killPrivileges(context, named);
  return new Structure(Out.WRITE).u32(count).bytes;
}

function dataOf(chain: DescriptorChain, size: number): Uint8Array[] {
  if (size > FUSE_TRANSFER_MAX || chain.readableLength < WRITE_DATA + size) {
    throw new HostError("EINVAL");
  }
  return chain.readableViews(WRITE_DATA, size);
}

/** `struct fuse_flush_in`. */
export function* flush({ handles, dax }: FuseContext, { args }: FuseCall): Steps<Reply> {
  const { node, file } = handles.opened(args.u64());
  if (dax !== undefined) yield* dax.writeBack(node);
  if (file.flush !== undefined) yield* wait(file.flush());
  return EMPTY;
}

/** `struct fuse_fsync_in`. */
export function* fsync({ handles, dax }: FuseContext, { args }: FuseCall): Steps<Reply> {
  const { node, file } = handles.opened(args.u64());
  const dataOnly = (args.u32() & FSYNC_FDATASYNC) !== 0;
  if (dax !== undefined) yield* dax.writeBack(node);
  yield* wait(file.fsync(dataOnly));
  return EMPTY;
}

/** `struct fuse_release_in`. */
export function* release(context: FuseContext, { args }: FuseCall): Steps<Reply> {
  yield* closeHandle(context, args.u64());
  return EMPTY;
}

/** `struct fuse_fallocate_in`. */
export function* fallocate({ handles, dax }: FuseContext, { args }: FuseCall): Steps<Reply> {
  const { node, file } = handles.opened(args.u64());
  const offset = args.u64();
  const length = args.u64();
  const mode = args.u32();
  checkOffset(offset + length);
  if (file.allocate === undefined) throw new HostError("ENOSYS");
  yield* wait(file.allocate(offset, length, mode));
  if ((mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0) dax?.zeroed(node, offset, length);
  return EMPTY;
}

/** `struct fuse_lseek_in`. */
export function* lseek({ handles }: FuseContext, { args }: FuseCall): Steps<Reply> {
  const { file } = handles.opened(args.u64());
  const offset = checkOffset(args.u64());
  const whence = args.u32();
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new HostError("EINVAL");
  // The kernel then takes everything before the end for data.
  if (file.seek === undefined) throw new HostError("ENOSYS");
  const found = yield* wait(file.seek(offset, whence === SEEK_DATA ? "data" : "hole"));
  return new Structure(Out.LSEEK).u64(found).bytes;
}

/** Everything that was written, whether its file is open or not. */
export function* syncfs({ tree, dax }: FuseContext): Steps<Reply> {
  if (tree.syncfs === undefined) throw new HostError("ENOSYS");
  if (dax !== undefined) yield* dax.writeBack();
  yield* wait(tree.syncfs());
  return EMPTY;
}

export function* closeHandle({ handles }: FuseContext, fh: number): Steps<void> {
  const { file, listing } = handles.take(fh);
  listing?.close();
  if (file !== undefined) yield* wait(file.close());
}
