/** FUSE operations on the DAX window. */
import { HostError } from "../host-tree/errno.ts";
import { EMPTY, type Reply } from "../host-tree/operation.ts";
import type { Steps } from "../host-tree/steps.ts";
import { REMOVEMAPPING_MAX, SETUPMAPPING_FLAG_WRITE } from "./abi.ts";
import type { DaxWindow } from "./dax-window.ts";
import type { FuseCall, FuseContext } from "./operation.ts";

/** `struct fuse_setupmapping_in`. Linux has no handle for it and gives -1. */
export function* setupmapping(context: FuseContext, { nodeId, args }: FuseCall): Steps<Reply> {
  const dax = windowOf(context);
  const node = context.nodes.get(nodeId);
  args.skip(8);
  const fileOffset = args.u64();
  const length = args.u64();
  const isWritable = (args.u64() & SETUPMAPPING_FLAG_WRITE) !== 0;
  const windowOffset = args.u64();
  yield* dax.map({ node, fileOffset, length, windowOffset, isWritable });
  return EMPTY;
}

/** `struct fuse_removemapping_in`, and `struct fuse_removemapping_one` for each range. */
export function* removemapping(context: FuseContext, { args }: FuseCall): Steps<Reply> {
  const dax = windowOf(context);
  const count = args.u32();
  if (count > REMOVEMAPPING_MAX) throw new HostError("EINVAL");
  // All of them before the first is waited for.
  const ranges = Array.from({ length: count }, () => [args.u64(), args.u64()] as const);
  for (const [windowOffset, length] of ranges) yield* dax.unmap(windowOffset, length);
  return EMPTY;
}

/** @throws HostError ENOSYS where there is none */
function windowOf({ dax }: FuseContext): DaxWindow {
  if (dax === undefined) throw new HostError("ENOSYS");
  return dax;
}
