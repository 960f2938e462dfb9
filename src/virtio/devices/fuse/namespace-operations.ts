/** FUSE operations on names and attributes. */
import { changeOf } from "../host-tree/attribute-change.ts";
import type { FieldReader } from "../host-tree/fields.ts";
import { type Creation, FileType, NAME_MAX, PERMISSIONS, S_IFMT } from "../host-tree/host-tree.ts";
import { encodeText, parseLinkTarget, parseName } from "../host-tree/names.ts";
import { renameFlagsOf } from "../host-tree/open-flags.ts";
import { EMPTY, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { Fattr } from "./abi.ts";
import { attrOut, statfsOut } from "./message.ts";
import {
  entryReply,
  type FuseCall,
  type FuseContext,
  killPrivileges,
  unprivileged,
} from "./operation.ts";

export function* lookup(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const dir = context.nodes.get(nodeId);
  const node = yield* wait(context.tree.lookup(dir, parseName(args.string())));
  return yield* entryReply(context, node);
}

export function* getattr({ tree, nodes }: FuseContext, { nodeId }: FuseCall): Steps<Reply> {
  return attrOut(yield* wait(tree.getattr(nodes.get(nodeId))), tree.cacheMs);
}

/** `struct fuse_setattr_in`. */
export function* setattr(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const { tree, nodes } = context;
  const node = nodes.get(nodeId);
  const valid = args.u32();
  args.skip(12);
  const size = args.u64();
  args.skip(8);
  const [atimeSec, mtimeSec] = [args.i64(), args.i64()];
  args.skip(8);
  const atime = { sec: atimeSec, nsec: args.u32() };
  const mtime = { sec: mtimeSec, nsec: args.u32() };
  args.skip(4);
  const given = args.u32();
  args.skip(4);
  const [uid, gid] = [args.u32(), args.u32()];
  const kills = (valid & Fattr.KILL_SUIDGID) !== 0;
  const mode = kills ? unprivileged(given) : given;
  const change = changeOf(valid, {
    mode,
    uid,
    gid,
    size,
    atime: (valid & Fattr.ATIME_NOW) !== 0 ? "now" : atime,
    mtime: (valid & Fattr.MTIME_NOW) !== 0 ? "now" : mtime,
  });
  if (kills && change.mode === undefined) yield* killPrivileges(context, node);
  yield* wait(tree.setattr(node, change));
  if (change.size !== undefined) context.dax?.zeroed(node, change.size);
  return attrOut(yield* wait(tree.getattr(node)), tree.cacheMs);
}

export function* readlink({ tree, nodes }: FuseContext, { nodeId }: FuseCall): Steps<Reply> {
  return encodeText(yield* wait(tree.readlink(nodes.get(nodeId))));
}

export function* symlink(context: FuseContext, call: FuseCall): Steps<Reply> {
  const dir = context.nodes.get(call.nodeId);
  const name = parseName(call.args.string());
  const target = parseLinkTarget(call.args.string());
  const node = yield* wait(context.tree.symlink(dir, name, target, creation(call, 0o777)));
  return yield* entryReply(context, node);
}

/** `struct fuse_mknod_in`. */
export function* mknod(context: FuseContext, call: FuseCall): Steps<Reply> {
  const { args, nodeId } = call;
  const dir = context.nodes.get(nodeId);
  const mode = args.u32();
  const rdev = args.u32();
  args.skip(8);
  const name = parseName(args.string());
  const special = { ...creation(call, mode), type: specialType(mode), rdev };
  return yield* entryReply(context, yield* wait(context.tree.mknod(dir, name, special)));
}

/** The type of a node that is neither directory nor link; none means a regular file. */
function specialType(mode: number): number {
  const type = mode & S_IFMT;
  const { FIFO, CHARACTER, BLOCK, SOCKET } = FileType;
  return [FIFO, CHARACTER, BLOCK, SOCKET].find((known) => known === type) ?? FileType.REGULAR;
}

/** `struct fuse_mkdir_in`. */
export function* mkdir(context: FuseContext, call: FuseCall): Steps<Reply> {
  const dir = context.nodes.get(call.nodeId);
  const mode = call.args.u32();
  call.args.skip(4);
  const name = parseName(call.args.string());
  const node = yield* wait(context.tree.mkdir(dir, name, creation(call, mode)));
  return yield* entryReply(context, node);
}

export function* unlink({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  yield* wait(tree.unlink(nodes.get(call.nodeId), parseName(call.args.string())));
  return EMPTY;
}

export function* rmdir({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  yield* wait(tree.rmdir(nodes.get(call.nodeId), parseName(call.args.string())));
  return EMPTY;
}

/** `struct fuse_rename_in`. */
export function rename(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  return move(context, nodeId, args.u64(), 0, args);
}

/** `struct fuse_rename2_in`. */
export function rename2(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const newDir = args.u64();
  const flags = args.u32();
  args.skip(4);
  return move(context, nodeId, newDir, flags, args);
}

function* move(
  { tree, nodes }: FuseContext,
  oldDir: number,
  newDir: number,
  flags: number,
  args: FieldReader,
): Steps<Reply> {
  const from = parseName(args.string());
  const to = parseName(args.string());
  const rules = renameFlagsOf(flags);
  yield* wait(tree.rename(nodes.get(oldDir), from, nodes.get(newDir), to, rules));
  return EMPTY;
}

/** `struct fuse_link_in`. */
export function* link(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const { tree, nodes } = context;
  const node = nodes.get(args.u64());
  yield* wait(tree.link(node, nodes.get(nodeId), parseName(args.string())));
  return yield* entryReply(context, node);
}

/** Permissions are the guest's to check, so only a file that is gone says no. */
export function* access({ tree, nodes }: FuseContext, { nodeId }: FuseCall): Steps<Reply> {
  yield* wait(tree.getattr(nodes.get(nodeId)));
  return EMPTY;
}

export function* statfs({ tree }: FuseContext): Steps<Reply> {
  return statfsOut(yield* wait(tree.statfs()), NAME_MAX);
}

export function creation({ uid, gid }: FuseCall, mode: number): Creation {
  return { mode: mode & PERMISSIONS, uid, gid };
}
