/** 9P2000.L operations on fids, names and attributes. */
import { changeOf } from "../host-tree/attribute-change.ts";
import { HostError } from "../host-tree/errno.ts";
import { FieldWriter } from "../host-tree/fields.ts";
import { FileType, NAME_MAX, S_IFMT, TRANSFER_UNIT } from "../host-tree/host-tree.ts";
import { parseLinkTarget, parseName } from "../host-tree/names.ts";
import { renameFlagsOf } from "../host-tree/open-flags.ts";
import { EMPTY, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import type { Location } from "./fids.ts";
import { closeFid } from "./file-operations.ts";
import {
  addQid,
  type Call,
  type Context,
  creation,
  nameField,
  qidReply,
  textField,
  textOf,
} from "./operation.ts";
import {
  AT_REMOVEDIR,
  GETATTR_BASIC,
  GETATTR_SIZE,
  HEADER_SIZE,
  QID_SIZE,
  SetAttr,
  STATFS_SIZE,
  V9FS_MAGIC,
} from "./protocol.ts";

/** Names of one Twalk, as the protocol has it. */
export const WALK_MAX = 16;

/** Who attaches without a number of a user. */
const NO_UID = 0xffff_ffff;

const MOVE = renameFlagsOf(0);

const ROOT_NAMES = ["", "/"];

const decoder = new TextDecoder();

/** fid[4] afid[4] uname[s] aname[s] n_uname[4] */
export function* attach(context: Context, { args }: Call): Steps<Reply> {
  const { tree, fids } = context;
  const fid = args.u32();
  args.skip(4);
  textField(args);
  const aname = decoder.decode(textField(args).slice());
  const uid = args.u32();
  if (!ROOT_NAMES.includes(aname)) throw new HostError("ENOENT");
  fids.checkFree(fid);
  const location = { node: tree.root, parent: undefined, name: "" };
  const reply = yield* qidReply(context, tree.root);
  fids.set(fid, { location, uid: uid === NO_UID ? 0 : uid });
  return reply;
}

/** fid[4] newfid[4] nwname[2] nwname*(wname[s]) */
export function* walk({ tree, fids }: Context, { args, chain }: Call): Steps<Reply> {
  const fid = args.u32();
  const newFid = args.u32();
  const count = args.u16();
  const from = fids.closed(fid);
  if (newFid !== fid) fids.checkFree(newFid);
  if (count > WALK_MAX) throw new HostError("EINVAL");
  const names = Array.from({ length: count }, () => stepField(textField(args)));
  const out = new FieldWriter(2 + count * QID_SIZE).skip(2);
  if (chain.writableLength < HEADER_SIZE + out.bytes.length) throw new HostError("EINVAL");
  let location = from.location;
  let walked = 0;
  for (const name of names) {
    try {
      location = yield* step(tree, location, name);
      addQid(out, yield* wait(tree.getattr(location.node)));
      walked++;
    } catch (error) {
      // What was found before the first name that is missing is said, and newfid stays unused.
      if (walked === 0) throw error;
      break;
    }
  }
  if (walked === count) fids.set(newFid, { location, uid: from.uid });
  const end = out.position;
  out.position = 0;
  out.u16(walked);
  return out.bytes.subarray(0, end);
}

/** ".." is a step up here, unlike in all other requests. */
function stepField(bytes: Uint8Array): string {
  const isUp = bytes.length === 2 && bytes[0] === 0x2e && bytes[1] === 0x2e;
  return isUp ? ".." : parseName(bytes);
}

function* step(tree: Context["tree"], from: Location, name: string): Steps<Location> {
  // The root is its own parent.
  if (name === "..") return from.parent ?? from;
  return { node: yield* wait(tree.lookup(from.node, name)), parent: from, name };
}

/** fid[4] name[s] symtgt[s] gid[4] */
export function* symlink(context: Context, { args }: Call): Steps<Reply> {
  const dir = context.fids.get(args.u32());
  const name = nameField(args);
  const target = parseLinkTarget(textField(args));
  const made = creation(dir, 0o777, args.u32());
  const node = yield* wait(context.tree.symlink(dir.location.node, name, target, made));
  return yield* qidReply(context, node);
}

/** dfid[4] name[s] mode[4] major[4] minor[4] gid[4] */
export function* mknod(context: Context, { args }: Call): Steps<Reply> {
  const dir = context.fids.get(args.u32());
  const name = nameField(args);
  const mode = args.u32();
  const major = args.u32();
  const minor = args.u32();
  const type = mode & S_IFMT;
  if (type === FileType.DIRECTORY || type === FileType.LINK) throw new HostError("EINVAL");
  const isKnown = Object.values(FileType).some((known) => known === type);
  const special = {
    ...creation(dir, mode, args.u32()),
    type: isKnown ? type : FileType.REGULAR,
    rdev: ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0,
  };
  const node = yield* wait(context.tree.mknod(dir.location.node, name, special));
  return yield* qidReply(context, node);
}

/** dfid[4] name[s] mode[4] gid[4] */
export function* mkdir(context: Context, { args }: Call): Steps<Reply> {
  const dir = context.fids.get(args.u32());
  const name = nameField(args);
  const made = creation(dir, args.u32(), args.u32());
  return yield* qidReply(context, yield* wait(context.tree.mkdir(dir.location.node, name, made)));
}

/** fid[4] dfid[4] name[s] */
export function* rename({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const fid = args.u32();
  const { location, ...rest } = fids.get(fid);
  const dir = fids.get(args.u32()).location;
  const name = nameField(args);
  if (location.parent === undefined) throw new HostError("EBUSY");
  yield* wait(tree.rename(location.parent.node, location.name, dir.node, name, MOVE));
  // Unless it has been given back meanwhile.
  if (fids.has(fid)) fids.set(fid, { ...rest, location: { ...location, parent: dir, name } });
  return EMPTY;
}

/** olddirfid[4] oldname[s] newdirfid[4] newname[s] */
export function* renameat({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const from = fids.get(args.u32()).location.node;
  const oldName = nameField(args);
  const to = fids.get(args.u32()).location.node;
  yield* wait(tree.rename(from, oldName, to, nameField(args), MOVE));
  return EMPTY;
}

/** dfid[4] fid[4] name[s] */
export function* link({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const dir = fids.get(args.u32()).location.node;
  const { node } = fids.get(args.u32()).location;
  yield* wait(tree.link(node, dir, nameField(args)));
  return EMPTY;
}

/** dirfd[4] name[s] flags[4] */
export function* unlinkat({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const dir = fids.get(args.u32()).location.node;
  const name = nameField(args);
  const isDirectory = (args.u32() & AT_REMOVEDIR) !== 0;
  yield* wait(isDirectory ? tree.rmdir(dir, name) : tree.unlink(dir, name));
  return EMPTY;
}

/** fid[4]; it is given back whatever happens. */
export function* remove(context: Context, { args }: Call): Steps<Reply> {
  const { tree, fids } = context;
  const fid = fids.take(args.u32());
  yield* closeFid(context, fid);
  const { node, parent, name } = fid.location;
  if (parent === undefined) throw new HostError("EBUSY");
  if ((yield* wait(tree.lookup(parent.node, name))) !== node) throw new HostError("ESTALE");
  const { mode } = yield* wait(tree.getattr(node));
  const isDirectory = (mode & S_IFMT) === FileType.DIRECTORY;
  yield* wait(isDirectory ? tree.rmdir(parent.node, name) : tree.unlink(parent.node, name));
  return EMPTY;
}

/** fid[4] */
export function* readlink({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  return textOf(yield* wait(tree.readlink(fids.get(args.u32()).location.node)));
}

/** fid[4] request_mask[8]; all that there is, is answered. */
export function* getattr({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const attributes = yield* wait(tree.getattr(fids.get(args.u32()).location.node));
  const { mode, uid, gid, nlink, rdev, size, blocks, atime, mtime, ctime } = attributes;
  const out = addQid(new FieldWriter(GETATTR_SIZE).u64(GETATTR_BASIC), attributes);
  out.u32(mode).u32(uid).u32(gid).u64(nlink).u64(rdev).u64(size).u64(TRANSFER_UNIT).u64(blocks);
  for (const { sec, nsec } of [atime, mtime, ctime]) out.u64(sec).u64(nsec);
  return out.bytes;
}

/** fid[4] valid[4] mode[4] uid[4] gid[4] size[8] atime_sec[8] atime_nsec[8] mtime… */
export function* setattr({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const { node } = fids.get(args.u32()).location;
  const valid = args.u32();
  const [mode, uid, gid, size] = [args.u32(), args.u32(), args.u32(), args.u64()];
  const atime = { sec: args.i64(), nsec: args.u64() };
  const mtime = { sec: args.i64(), nsec: args.u64() };
  const change = changeOf(valid, {
    mode,
    uid,
    gid,
    size,
    atime: (valid & SetAttr.ATIME_SET) === 0 ? "now" : atime,
    mtime: (valid & SetAttr.MTIME_SET) === 0 ? "now" : mtime,
  });
  yield* wait(tree.setattr(node, change));
  return EMPTY;
}

/** fid[4] */
export function* statfs({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  fids.get(args.u32());
  const status = yield* wait(tree.statfs());
  const { blockSize, blocks, freeBlocks, availableBlocks, files, freeFiles } = status;
  const out = new FieldWriter(STATFS_SIZE).u32(V9FS_MAGIC).u32(blockSize);
  out.u64(blocks).u64(freeBlocks).u64(availableBlocks).u64(files).u64(freeFiles);
  return out.u64(0).u32(NAME_MAX).bytes;
}
