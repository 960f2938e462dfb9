/** One mount: from INIT to DESTROY or the device's reset. */
import type { DescriptorChain } from "../../chain.ts";
import { Errno, errnoOf } from "../host-tree/errno.ts";
import { FieldReader } from "../host-tree/fields.ts";
import { ListingBudget } from "../host-tree/listing.ts";
import type { Reply } from "../host-tree/operation.ts";
import type { SessionHost } from "../host-tree/session-host.ts";
import { nothing, run } from "../host-tree/steps.ts";
import {
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MINOR_MIN,
  IN_HEADER_SIZE,
  InitFlag,
  Opcode,
  OUT_HEADER_SIZE,
  Out,
} from "./abi.ts";
import { DAX_BLOCK, type DaxWindow } from "./dax-window.ts";
import { FUSE_TRANSFER_MAX, WRITE_DATA } from "./file-operations.ts";
import { Structure } from "./message.ts";
import { HandleTable, NodeTable } from "./nodes.ts";
import type { FuseContext } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";

/**
 * Bytes of a request without the data of WRITE. The longest is SETXATTR with a value of 64 KiB;
 * what lies beyond is not looked at.
 */
export const FUSE_REQUEST_MAX = 128 * 1024;

const PAGE = 4096;

/** Requests that the guest may leave waiting, and from how many on it is to slow down. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

const ALL_FLAGS = Object.values(InitFlag).reduce((all, flag) => all | flag, 0);

interface Header {
  readonly opcode: number;
  readonly unique: Uint8Array;
  readonly nodeId: number;
  readonly uid: number;
  readonly gid: number;
}

export class FuseSession {
  readonly #host: SessionHost;
  /** The scratch up to the data of WRITE, and behind that. */
  readonly #start: Uint8Array;
  readonly #rest: Uint8Array;
  readonly #createDax: (() => DaxWindow) | undefined;
  /** Undefined before INIT and after DESTROY. */
  #context: FuseContext | undefined;

  /** The scratch has `FUSE_REQUEST_MAX` bytes; `createDax` is called for each mount. */
  constructor(host: SessionHost, createDax?: () => DaxWindow) {
    this.#host = host;
    this.#start = host.scratch.subarray(0, WRITE_DATA);
    this.#rest = host.scratch.subarray(WRITE_DATA);
    this.#createDax = createDax;
  }

  /** Inodes and handles that the guest holds. */
  get held(): { readonly nodes: number; readonly handles: number } {
    const { nodes, handles } = this.#context ?? {};
    return { nodes: nodes?.size ?? 0, handles: handles?.size ?? 0 };
  }

  /** Whether the guest has mounted the tree. */
  get isMounted(): boolean {
    return this.#context !== undefined;
  }

  /** See `VirtioDevice.obstacle`: the numbers of inodes and open files mean nothing to another session. */
  get obstacle(): string | undefined {
    const { nodes, handles } = this.held;
    if (handles > 0) return "has files open in the guest: close them, or unmount it there";
    if (nodes > 1) return "has files that the guest remembers: unmount it there";
    return undefined;
  }

  /** Begins a mount, of which the guest knows the root alone. */
  mount(): void {
    this.close();
    const { tree, spend } = this.#host;
    const nodes = new NodeTable(tree.root);
    const handles = new HandleTable();
    const dax = this.#createDax?.();
    this.#context = { tree, nodes, handles, listings: new ListingBudget(), spend, dax };
  }

  /** Serves a request and calls `done`, now or later, with the bytes of its reply. */
  serve(chain: DescriptorChain, done: (bytesWritten: number) => void): void {
    const start = chain.readAt(0, this.#start);
    if (start < IN_HEADER_SIZE) {
      done(0);
      return;
    }
    this.#host.counters.requests++;
    const fields = new FieldReader(this.#start);
    const claimed = fields.u32();
    const opcode = fields.u32();
    const unique = fields.bytes(8).slice();
    const header = { opcode, unique, nodeId: fields.u64(), uid: fields.u32(), gid: fields.u32() };
    const isCut = claimed < IN_HEADER_SIZE || claimed > chain.readableLength;
    // The data of WRITE stays where the guest has it.
    const isWrite = opcode === Opcode.WRITE;
    const length = isWrite ? start : start + chain.readAt(WRITE_DATA, this.#rest);
    const body = this.#host.scratch.subarray(IN_HEADER_SIZE, isCut ? IN_HEADER_SIZE : length);
    const args = new FieldReader(body.subarray(0, claimed - IN_HEADER_SIZE));
    if (this.#isSilent(header, args) || chain.writableLength < OUT_HEADER_SIZE) done(0);
    else if (isCut) done(this.#fail(chain, header, Errno.EINVAL));
    else if (opcode === Opcode.INIT) done(this.#init(chain, header, args));
    else this.#operate(chain, header, args, done);
  }

  /** Ends the mount, and closes what the guest has open. */
  close(): void {
    this.#context?.handles.close();
    this.#context?.dax?.close();
    this.#context = undefined;
  }

  /** Serves what has no reply. */
  #isSilent({ opcode, nodeId }: Header, args: FieldReader): boolean {
    if (opcode === Opcode.FORGET) this.#forget(() => [nodeId, args.u64()], 1);
    else if (opcode === Opcode.BATCH_FORGET) this.#batchForget(args);
    // No operation is cut short, so the answer to the request itself is all that comes.
    else return opcode === Opcode.INTERRUPT;
    return true;
  }

  #operate(
    chain: DescriptorChain,
    header: Header,
    args: FieldReader,
    done: (bytesWritten: number) => void,
  ): void {
    const context = this.#context;
    const operation = OPERATIONS.get(header.opcode);
    // Before anything is done that the guest would not hear of.
    const fits = chain.writableLength >= OUT_HEADER_SIZE + (operation?.replySize ?? 0);
    if (context === undefined) done(this.#fail(chain, header, Errno.EIO));
    else if (header.opcode === Opcode.DESTROY) this.#destroy(context, chain, header, done);
    else if (operation === undefined) done(this.#fail(chain, header, Errno.ENOSYS));
    else if (!fits) done(this.#fail(chain, header, Errno.EINVAL));
    else {
      const { nodeId, uid, gid } = header;
      run(
        () => operation.run(context, { nodeId, uid, gid, args, chain }),
        (reply) => done(this.#answer(chain, header, reply)),
        (error) => done(this.#fail(chain, header, errnoOf(error))),
      );
    }
  }

  #destroy(
    { dax }: FuseContext,
    chain: DescriptorChain,
    header: Header,
    done: (bytesWritten: number) => void,
  ): void {
    const end = (write: () => number): void => {
      this.close();
      done(write());
    };
    run(
      () => dax?.writeBack() ?? nothing(),
      () => end(() => this.#answer(chain, header, 0)),
      (error) => end(() => this.#fail(chain, header, errnoOf(error))),
    );
  }

  #answer(chain: DescriptorChain, header: Header, reply: Reply): number {
    const length = typeof reply === "number" ? reply : reply.length;
    if (OUT_HEADER_SIZE + length > chain.writableLength) {
      return this.#fail(chain, header, Errno.EINVAL);
    }
    if (header.opcode === Opcode.READ) this.#host.counters.bytesRead += length;
    if (header.opcode === Opcode.WRITE) {
      this.#host.counters.bytesWritten += chain.readableLength - WRITE_DATA;
    }
    if (typeof reply !== "number") chain.writeAt(OUT_HEADER_SIZE, reply);
    return this.#writeHeader(chain, header, length, 0);
  }

  #fail(chain: DescriptorChain, header: Header, errno: number): number {
    this.#host.counters.errors++;
    return this.#writeHeader(chain, header, 0, errno);
  }

  /** `struct fuse_out_header`; returns the length of the reply. */
  #writeHeader(chain: DescriptorChain, header: Header, length: number, errno: number): number {
    const total = OUT_HEADER_SIZE + length;
    const out = new Structure(OUT_HEADER_SIZE).u32(total).u32(-errno).raw(header.unique);
    chain.writeAt(0, out.bytes);
    return total;
  }

  /** `struct fuse_init_in`. */
  #init(chain: DescriptorChain, header: Header, args: FieldReader): number {
    let fields: number[];
    try {
      fields = [args.u32(), args.u32(), args.u32(), args.u32()];
    } catch {
      return this.#fail(chain, header, Errno.EINVAL);
    }
    const [major, minor, readahead, flags] = fields;
    const isOld = major === FUSE_KERNEL_VERSION && minor < FUSE_MINOR_MIN;
    if (major < FUSE_KERNEL_VERSION || isOld) return this.#fail(chain, header, Errno.EPROTO);
    const out = new Structure(Out.INIT).u32(FUSE_KERNEL_VERSION).u32(FUSE_KERNEL_MINOR_VERSION);
    if (chain.writableLength < OUT_HEADER_SIZE + Out.INIT) {
      return this.#fail(chain, header, Errno.EINVAL);
    }
    // To a newer guest only the version is said, and it asks again.
    if (major > FUSE_KERNEL_VERSION) return this.#answer(chain, header, out.bytes);
    const hasDax = this.#createDax !== undefined;
    const offered = hasDax ? ALL_FLAGS : ALL_FLAGS & ~InitFlag.MAP_ALIGNMENT;
    out.u32(Math.min(readahead, FUSE_TRANSFER_MAX)).u32(flags & offered);
    out.u16(MAX_BACKGROUND).u16(CONGESTION_THRESHOLD).u32(FUSE_TRANSFER_MAX).u32(1);
    out.u16(FUSE_TRANSFER_MAX / PAGE).u16(hasDax ? Math.log2(DAX_BLOCK) : 0);
    this.mount();
    return this.#answer(chain, header, out.bytes);
  }

  /** `struct fuse_batch_forget_in`, and `struct fuse_forget_one` for each inode. */
  #batchForget(args: FieldReader): void {
    let count = 0;
    try {
      count = args.u32();
      args.skip(4);
    } catch {
      return;
    }
    this.#forget(() => [args.u64(), args.u64()], count);
  }

  /** Forgets as many inodes as there are; a request that is too short ends it. */
  #forget(next: () => [id: number, lookups: number], count: number): void {
    try {
      for (let i = 0; i < count; i++) this.#context?.nodes.forget(...next());
    } catch {
      this.#host.counters.errors++;
    }
  }
}
