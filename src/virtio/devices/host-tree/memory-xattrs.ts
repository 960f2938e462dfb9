/** Extended attributes of a tree in memory. */
import { HostError } from "./errno.ts";
import type { Timestamp, TreeXattrs, XattrFlags } from "./host-tree.ts";
import type { SpaceBudget } from "./memory-content.ts";

/** Bytes of one value, as Linux has it. */
export const XATTR_VALUE_MAX = 64 * 1024;

/** Names and values of one file together, as a block of ext4's large ones. */
export const XATTRS_MAX = 256 * 1024;

interface Bearer {
  xattrs: Map<string, Uint8Array> | undefined;
  ctime: Timestamp;
}

export class MemoryXattrs implements TreeXattrs<Bearer> {
  readonly #budget: SpaceBudget;
  readonly #now: () => Timestamp;

  constructor(budget: SpaceBudget, now: () => Timestamp) {
    this.#budget = budget;
    this.#now = now;
  }

  get(node: Bearer, name: string): Uint8Array {
    const value = node.xattrs?.get(name);
    if (value === undefined) throw new HostError("ENODATA");
    return value;
  }

  list(node: Bearer): string[] {
    return [...(node.xattrs?.keys() ?? [])];
  }

  set(node: Bearer, name: string, value: Uint8Array, flags: XattrFlags): void {
    const old = node.xattrs?.get(name);
    if (flags.create && old !== undefined) throw new HostError("EEXIST");
    if (flags.replace && old === undefined) throw new HostError("ENODATA");
    const before = old === undefined ? 0 : costOf(name, old);
    const after = costOf(name, value);
    const total = totalOf(node) - before + after;
    if (value.length > XATTR_VALUE_MAX || total > XATTRS_MAX) throw new HostError("ENOSPC");
    this.#budget.take(after - before);
    node.xattrs ??= new Map();
    node.xattrs.set(name, value);
    node.ctime = this.#now();
  }

  remove(node: Bearer, name: string): void {
    this.#budget.give(costOf(name, this.get(node, name)));
    node.xattrs?.delete(name);
    node.ctime = this.#now();
  }

  /** The file is gone. */
  free(node: Bearer): void {
    this.#budget.give(totalOf(node));
    node.xattrs = undefined;
  }
}

function costOf(name: string, value: Uint8Array): number {
  return name.length + value.length;
}

function totalOf(node: Bearer): number {
  let total = 0;
  for (const [name, value] of node.xattrs ?? []) total += costOf(name, value);
  return total;
}
