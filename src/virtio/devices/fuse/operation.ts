/** What an operation of FUSE is, and what several of them share. */
import { HostError } from "../host-tree/errno.ts";
import { S_ISGID, S_ISUID, S_IXGRP } from "../host-tree/host-tree.ts";
import type { OperationCall, OperationContext, OperationEntry } from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import { Out } from "./abi.ts";
import type { DaxWindow } from "./dax-window.ts";
import { Structure } from "./message.ts";
import type { HandleTable, NodeTable } from "./nodes.ts";

/** What the operations of one mount work on. */
export interface FuseContext extends OperationContext {
  readonly nodes: NodeTable;
  readonly handles: HandleTable;
  /** Where files can be mapped, if anywhere. */
  readonly dax: DaxWindow | undefined;
}

export interface FuseCall extends OperationCall {
  readonly nodeId: number;
  /** Who asks. */
  readonly uid: number;
  readonly gid: number;
}

export type FuseOperation = OperationEntry<FuseContext, FuseCall>;

/** Tells the guest of an inode, which it holds from now on. */
export function* entryReply({ tree, nodes }: FuseContext, node: object): Steps<Uint8Array> {
  const attributes = yield* wait(tree.getattr(node));
  const id = nodes.hold(node);
  return new Structure(Out.ENTRY).entry(id, attributes, tree.cacheMs).bytes;
}

/** A mode without what lets a program run as somebody else. */
export function unprivileged(mode: number): number {
  const group = (mode & S_IXGRP) !== 0 ? S_ISGID : 0;
  return mode & ~(S_ISUID | group);
}

/** Takes away what lets a program run as somebody else, because its file is changed. */
export function* killPrivileges({ tree }: FuseContext, node: object): Steps<void> {
  const { mode } = yield* wait(tree.getattr(node));
  const safe = unprivileged(mode);
  if (safe !== mode) yield* wait(tree.setattr(node, { mode: safe }));
  if (tree.xattrs === undefined) return;
  try {
    yield* wait(tree.xattrs.remove(node, "security.capability"));
  } catch (error) {
    // Most files have none.
    if (!(error instanceof HostError) || error.message !== "ENODATA") throw error;
  }
}
