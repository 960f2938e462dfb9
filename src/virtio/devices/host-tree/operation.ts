/** What an operation of either protocol is, and what operations of both do alike. */
import type { DescriptorChain } from "../../chain.ts";
import { HostError } from "./errno.ts";
import type { FieldReader } from "./fields.ts";
import type { Created, Creation, HostTree, OpenMode } from "./host-tree.ts";
import { type DirectoryListing, ENTRY_COST, type ListingBudget } from "./listing.ts";
import { FILE_SIZE_MAX } from "./memory-content.ts";
import { O_EXCL } from "./open-flags.ts";
import { type Steps, wait } from "./steps.ts";

/** What the operations of one session work on. */
export interface OperationContext {
  readonly tree: HostTree;
  readonly listings: ListingBudget;
  /** Counts bytes touched beside those of chains. */
  readonly spend: (bytes: number) => void;
}

/** One request. */
export interface OperationCall {
  /** Valid until the operation waits for the first time. */
  readonly args: FieldReader;
  readonly chain: DescriptorChain;
}

/** What follows the header of the reply; or how many bytes of it are in the guest's buffers. */
export type Reply = Uint8Array | number;

export const EMPTY: Reply = 0;

/** An operation, and how long its reply is at most where that does not depend on the request. */
export interface OperationEntry<Context extends OperationContext, Call extends OperationCall> {
  readonly run: (context: Context, call: Call) => Steps<Reply>;
  readonly replySize: number;
}

/** @throws HostError EFBIG */
export function checkOffset(offset: number): number {
  if (offset > FILE_SIZE_MAX) throw new HostError("EFBIG");
  return offset;
}

/** Makes a file as open(2) with O_CREAT and these `flags` does, and opens it. */
export function* createOrOpen(
  tree: HostTree,
  place: { readonly dir: object; readonly name: string },
  creation: Creation,
  flags: number,
  mode: OpenMode,
): Steps<Created<object>> {
  const { dir, name } = place;
  try {
    return yield* wait(tree.create(dir, name, creation, mode));
  } catch (error) {
    // Somebody on the host was faster.
    const isThere = error instanceof HostError && error.message === "EEXIST";
    if (!isThere || (flags & O_EXCL) !== 0) throw error;
    const node = yield* wait(tree.lookup(dir, name));
    return { node, file: yield* wait(tree.open(node, mode)) };
  }
}

/** Before the entries from `offset` on are taken: reads the directory at the start, and after it once. */
export function* fillListing(
  { tree, spend }: OperationContext,
  listing: DirectoryListing,
  dir: object,
  offset: number,
): Steps<void> {
  if (offset !== 0 && !listing.isEmpty) return;
  const { ino } = yield* wait(tree.getattr(dir));
  const entries = yield* wait(tree.readdir(dir));
  spend(entries.length * ENTRY_COST);
  listing.fill(ino, entries);
}
