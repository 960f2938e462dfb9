/** What an operation of 9P2000.L is, and what several of them share. */
import type { DescriptorChain } from "../../chain.ts";
import { type FieldReader, FieldWriter } from "../host-tree/fields.ts";
import {
  type Attributes,
  type Creation,
  FileType,
  type HostTree,
  PERMISSIONS,
  S_IFMT,
} from "../host-tree/host-tree.ts";
import type { ListingBudget } from "../host-tree/listing.ts";
import { encodeText, parseName } from "../host-tree/names.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import type { Fid, FidTable } from "./fids.ts";
import { QID_SIZE, Qid } from "./protocol.ts";

/** What the operations of one session work on. */
export interface Context {
  readonly tree: HostTree;
  readonly fids: FidTable;
  readonly listings: ListingBudget;
  /** Counts bytes touched beside those of chains. */
  readonly spend: (bytes: number) => void;
  /** Bytes of the longest message. */
  readonly msize: number;
}

export interface Call {
  /** Valid until the operation waits for the first time. */
  readonly args: FieldReader;
  readonly chain: DescriptorChain;
}

/** What follows the header of the reply; or how many bytes of it are in the guest's buffers. */
export type Reply = Uint8Array | number;

export const EMPTY: Reply = 0;

type Operation = (context: Context, call: Call) => Steps<Reply>;

/** An operation, and how long its reply is at most where that does not depend on the request. */
export interface OperationEntry {
  readonly run: Operation;
  readonly replySize: number;
}

/** s[n]: a length and as many bytes. */
export function textField(args: FieldReader): Uint8Array {
  return args.bytes(args.u16());
}

/** One component of a path. @throws HostError */
export function nameField(args: FieldReader): string {
  return parseName(textField(args));
}

export function textOf(text: string): Uint8Array {
  const bytes = encodeText(text);
  return new FieldWriter(2 + bytes.length).u16(bytes.length).raw(bytes).bytes;
}

export function addQid(out: FieldWriter, { mode, ino, size, mtime }: Attributes): FieldWriter {
  // The version changes with the contents, as far as their time and length tell.
  return out
    .u8(qidType(mode))
    .u32(mtime.sec ^ mtime.nsec ^ (size << 8))
    .u64(ino);
}

export function qidType(mode: number): number {
  const type = mode & S_IFMT;
  if (type === FileType.DIRECTORY) return Qid.DIRECTORY;
  return type === FileType.LINK ? Qid.LINK : Qid.FILE;
}

/** The qid of a node, and `extra` bytes of zeros. */
export function* qidReply({ tree }: Context, node: object, extra = 0): Steps<Reply> {
  const attributes = yield* wait(tree.getattr(node));
  return addQid(new FieldWriter(QID_SIZE + extra), attributes).bytes;
}

export function creation({ uid }: Fid, mode: number, gid: number): Creation {
  return { mode: mode & PERMISSIONS, uid, gid };
}
