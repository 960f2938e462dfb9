/** FUSE operations on extended attributes. */
import { HostError } from "../host-tree/errno.ts";
import { xattrFlagsOf } from "../host-tree/open-flags.ts";
import { EMPTY, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { keptXattrName, xattrNames, xattrsOf } from "../host-tree/xattr-rules.ts";
import { Out } from "./abi.ts";
import { Structure } from "./message.ts";
import type { FuseCall, FuseContext } from "./operation.ts";

/** `struct fuse_setxattr_in` as it is without SETXATTR_EXT. */
export function* setxattr({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  const xattrs = xattrsOf(tree, "ENOSYS");
  const size = call.args.u32();
  const flags = xattrFlagsOf(call.args.u32());
  const name = keptXattrName(call.args.string());
  const value = call.args.bytes(size).slice();
  yield* wait(xattrs.set(nodes.get(call.nodeId), name, value, flags));
  return EMPTY;
}

/** `struct fuse_getxattr_in`. */
export function* getxattr({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  const xattrs = xattrsOf(tree, "ENOSYS");
  const size = call.args.u32();
  call.args.skip(4);
  const name = keptXattrName(call.args.string());
  return sized(yield* wait(xattrs.get(nodes.get(call.nodeId), name)), size);
}

/** `struct fuse_getxattr_in`. */
export function* listxattr({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  const xattrs = xattrsOf(tree, "ENOSYS");
  const size = call.args.u32();
  return sized(xattrNames(yield* wait(xattrs.list(nodes.get(call.nodeId)))), size);
}

export function* removexattr({ tree, nodes }: FuseContext, call: FuseCall): Steps<Reply> {
  const xattrs = xattrsOf(tree, "ENOSYS");
  const name = keptXattrName(call.args.string());
  yield* wait(xattrs.remove(nodes.get(call.nodeId), name));
  return EMPTY;
}

/** Without room only the size is asked for. */
function sized(value: Uint8Array, room: number): Uint8Array {
  if (room === 0) return new Structure(Out.XATTR).u32(value.length).bytes;
  if (value.length > room) throw new HostError("ERANGE");
  return value;
}
