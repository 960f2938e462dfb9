/** What an operation of FUSE is, and what several of them share. */
import type { DescriptorChain } from "../../chain.ts";
import { HostError } from "../host-tree/errno.ts";
import type { FieldReader } from "../host-tree/fields.ts";
import { type HostTree, S_ISGID, S_ISUID, S_IXGRP } from "../host-tree/host-tree.ts";
import type { ListingBudget } from "../host-tree/listing.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { Out } from "./abi.ts";
import { Structure } from "./message.ts";
import type { HandleTable, NodeTable } from "./nodes.ts";

/** What the operations of one mount work on. */
export interface FuseContext {
  readonly tree: HostTree;
  readonly nodes: NodeTable;
  readonly handles: HandleTable;
  readonly listings: ListingBudget;
  /** Counts bytes touched beside those of chains. */
  readonly spend: (bytes: number) => void;
}

export interface FuseCall {
  readonly nodeId: number;
  /** Who asks. */
  readonly uid: number;
  readonly gid: number;
  /** Valid until the operation waits for the first time. */
  readonly args: FieldReader;
  readonly chain: DescriptorChain;
}

/** What follows the header of the reply; or how many bytes of it are in the guest's buffers. */
export type Reply = Uint8Array | number;

export const EMPTY: Reply = 0;

type Operation = (context: FuseContext, call: FuseCall) => Steps<Reply>;

/** An operation, and how long its reply is at most where that does not depend on the request. */
export interface OperationEntry {
  readonly run: Operation;
  readonly replySize: number;
}

/** Tells the guest of an inode, which it holds from now on. */
export function* entryReply({ tree, nodes }: FuseContext, node: object): Steps<Uint8Array> {
  const attributes = yield* wait(tree.getattr(node));
  const id = nodes.hold(node);
  return new Structure(Out.ENTRY).entry(id, attributes, tree.cacheMs).bytes;
}

/** Takes away what lets a program run as somebody else, because its file is changed. */
export function* killPrivileges({ tree }: FuseContext, node: object): Steps<void> {
  const { mode } = yield* wait(tree.getattr(node));
  const group = (mode & S_IXGRP) !== 0 ? S_ISGID : 0;
  const safe = mode & ~(S_ISUID | group);
  if (safe !== mode) yield* wait(tree.setattr(node, { mode: safe }));
  if (tree.xattrs === undefined) return;
  try {
    yield* wait(tree.xattrs.remove(node, "security.capability"));
  } catch (error) {
    // Most files have none.
    if (!(error instanceof HostError) || error.message !== "ENODATA") throw error;
  }
}
