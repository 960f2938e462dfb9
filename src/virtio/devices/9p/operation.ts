/** What an operation of 9P2000.L is, and what several of them share. */
import { type FieldReader, FieldWriter } from "../host-tree/fields.ts";
import {
  type Attributes,
  type Creation,
  FileType,
  PERMISSIONS,
  S_IFMT,
} from "../host-tree/host-tree.ts";
import { encodeText, parseName } from "../host-tree/names.ts";
import type {
  OperationCall,
  OperationContext,
  OperationEntry,
  Reply,
} from "../host-tree/operation.ts";
import { type Steps, wait } from "../host-tree/steps.ts";
import type { Fid, FidTable } from "./fids.ts";
import { QID_SIZE, Qid } from "./protocol.ts";

/** What the operations of one session work on. */
export interface Context extends OperationContext {
  readonly fids: FidTable;
  /** Bytes of the longest message. */
  readonly msize: number;
}

export type Call = OperationCall;

export type NinePOperation = OperationEntry<Context, Call>;

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
