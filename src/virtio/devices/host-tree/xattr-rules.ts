/** Extended attributes in terms of both protocols. */
import { HostError } from "./errno.ts";
import type { HostTree, TreeXattrs } from "./host-tree.ts";
import { encodeText, parseXattrName } from "./names.ts";

/**
 * Names that are kept for the guest. An access control list would have to change the mode as well,
 * and nobody would heed it.
 */
const KEPT = /^(user|trusted|security)\../;

/** @throws HostError EOPNOTSUPP for a name that is not kept */
export function keptXattrName(bytes: Uint8Array): string {
  const name = parseXattrName(bytes);
  if (!KEPT.test(name)) throw new HostError("EOPNOTSUPP");
  return name;
}

/** @throws HostError `missing` where the tree has none */
export function xattrsOf(tree: HostTree, missing: "ENOSYS" | "EOPNOTSUPP"): TreeXattrs<object> {
  if (tree.xattrs === undefined) throw new HostError(missing);
  return tree.xattrs;
}

/** Names, each with its NUL, as listxattr(2) has them. */
export function xattrNames(names: readonly string[]): Uint8Array<ArrayBuffer> {
  return encodeText(names.map((name) => `${name}\0`).join(""));
}
