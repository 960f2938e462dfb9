/** 9P2000.L operations on extended attributes: a fid stands for one that is read or written. */
import { HostError } from "../host-tree/errno.ts";
import { FieldWriter } from "../host-tree/fields.ts";
import { XATTR_VALUE_MAX } from "../host-tree/memory-xattrs.ts";
import { xattrFlagsOf } from "../host-tree/open-flags.ts";
import { EMPTY, type Reply } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { keptXattrName, xattrNames, xattrsOf } from "../host-tree/xattr-rules.ts";
import type { OpenXattr } from "./fids.ts";
import { type Call, type Context, textField } from "./operation.ts";

/** fid[4] newfid[4] name[s]; without a name, all names are read. */
export function* xattrwalk({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const { location, uid } = fids.get(args.u32());
  const newFid = args.u32();
  fids.checkFree(newFid);
  fids.checkRoom();
  const xattrs = xattrsOf(tree, "EOPNOTSUPP");
  const text = textField(args);
  const name = text.length === 0 ? "" : keptXattrName(text);
  const value =
    name === ""
      ? xattrNames(yield* wait(xattrs.list(location.node)))
      : yield* wait(xattrs.get(location.node, name));
  fids.checkFree(newFid);
  fids.set(newFid, { location, uid, xattr: { name, value, flags: undefined } });
  return new FieldWriter(8).u64(value.length).bytes;
}

/** fid[4] name[s] attr_size[8] flags[4]; what is then written is set when the fid is given back. */
export function* xattrcreate({ tree, fids }: Context, { args }: Call): Steps<Reply> {
  const number = args.u32();
  const fid = fids.closed(number);
  xattrsOf(tree, "EOPNOTSUPP");
  const name = keptXattrName(textField(args));
  const size = args.u64();
  const flags = args.u32();
  xattrFlagsOf(flags);
  if (size > XATTR_VALUE_MAX) throw new HostError("ENOSPC");
  yield* wait(tree.getattr(fid.location.node));
  fids.closed(number);
  fids.set(number, { ...fid, xattr: { name, value: new Uint8Array(size), flags } });
  return EMPTY;
}

/** The fid is given back. Linux removes an attribute by replacing it with nothing. */
export function* finishXattr({ tree }: Context, node: object, xattr: OpenXattr): Steps<void> {
  if (xattr.flags === undefined) return;
  const xattrs = xattrsOf(tree, "EOPNOTSUPP");
  const flags = xattrFlagsOf(xattr.flags);
  const removes = xattr.value.length === 0 && flags.replace;
  yield* wait(
    removes ? xattrs.remove(node, xattr.name) : xattrs.set(node, xattr.name, xattr.value, flags),
  );
}
