/** FUSE operations on open directories. */
import { HostError } from "../host-tree/errno.ts";
import { FileType, S_IFMT, type TreeEntry } from "../host-tree/host-tree.ts";
import { DirectoryListing, entryType } from "../host-tree/listing.ts";
import { encodeText } from "../host-tree/names.ts";
import { EMPTY, fillListing, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { OUT_HEADER_SIZE, Out } from "./abi.ts";
import { closeHandle, FUSE_TRANSFER_MAX } from "./file-operations.ts";
import { Structure } from "./message.ts";
import type { FuseCall, FuseContext } from "./operation.ts";

export function* opendir(context: FuseContext, { nodeId }: FuseCall): Steps<Reply> {
  const { tree, nodes, handles, listings } = context;
  const node = nodes.get(nodeId);
  const { mode } = yield* wait(tree.getattr(node));
  if ((mode & S_IFMT) !== FileType.DIRECTORY) throw new HostError("ENOTDIR");
  const fh = handles.add({ node, listing: new DirectoryListing(listings) });
  return new Structure(Out.OPEN).u64(fh).bytes;
}

export function readdir(context: FuseContext, call: FuseCall): Steps<Reply> {
  return list(context, call, false);
}

export function readdirplus(context: FuseContext, call: FuseCall): Steps<Reply> {
  return list(context, call, true);
}

/** `struct fuse_read_in`. */
function* list(context: FuseContext, call: FuseCall, plus: boolean): Steps<Reply> {
  const { nodes, handles } = context;
  const dir = nodes.get(call.nodeId);
  const listing = handles.listing(call.args.u64());
  const offset = call.args.u64();
  const room = Math.min(call.chain.writableLength - OUT_HEADER_SIZE, FUSE_TRANSFER_MAX);
  const size = Math.min(call.args.u32(), room);
  yield* fillListing(context, listing, dir, offset);
  const out = new Structure(size);
  for (let position = offset; ; position++) {
    const entry = listing.at(position);
    if (entry === undefined) break;
    const name = encodeText(entry.name);
    const length = (plus ? Out.ENTRY : 0) + padded(Out.DIRENT + name.length);
    if (out.position + length > size) {
      // An empty reply would mean the end.
      if (position === offset) throw new HostError("EINVAL");
      break;
    }
    if (plus) yield* addEntry(context, dir, entry, out);
    const end = out.position + padded(Out.DIRENT + name.length);
    out
      .u64(entry.ino)
      .u64(position + 1)
      .u32(name.length)
      .u32(entryType(entry))
      .raw(name);
    out.position = end;
  }
  return out.bytes.subarray(0, out.position);
}

/** What LOOKUP would say; zeros, which the guest skips, for own names and what is gone by now. */
function* addEntry(
  { tree, nodes }: FuseContext,
  dir: object,
  { name }: TreeEntry,
  out: Structure,
): Steps<void> {
  if (name === "." || name === "..") {
    out.skip(Out.ENTRY);
    return;
  }
  try {
    const node = yield* wait(tree.lookup(dir, name));
    const attributes = yield* wait(tree.getattr(node));
    out.entry(nodes.hold(node), attributes, tree.cacheMs);
  } catch {
    out.skip(Out.ENTRY);
  }
}

/** `struct fuse_fsync_in`. */
export function* fsyncdir({ tree, nodes }: FuseContext, { nodeId }: FuseCall): Steps<Reply> {
  yield* wait(tree.fsyncdir(nodes.get(nodeId)));
  return EMPTY;
}

/** `struct fuse_release_in`. */
export function* releasedir(context: FuseContext, { args }: FuseCall): Steps<Reply> {
  yield* closeHandle(context, args.u64());
  return EMPTY;
}

function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}
