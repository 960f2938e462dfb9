/** One session: from Tversion to the next one, or the device's reset. */
import type { DescriptorChain } from "../../chain.ts";
import { Errno, errnoOf } from "../host-tree/errno.ts";
import { FieldReader, FieldWriter } from "../host-tree/fields.ts";
import { ListingBudget } from "../host-tree/listing.ts";
import type { Reply } from "../host-tree/operation.ts";
import type { SessionHost } from "../host-tree/session-host.ts";
import { run } from "../host-tree/steps.ts";
import { FidTable } from "./fids.ts";
import { type Context, textField, textOf } from "./operation.ts";
import { OPERATIONS } from "./operations.ts";
import { ERROR_SIZE, HEADER_SIZE, Message, VERSION, WRITE_HEADER_SIZE } from "./protocol.ts";

/** Bytes of a message; more than Linux can send by virtio, which is 125 pages. */
export const MSIZE_MAX = 512 * 1024;

/** Less than this has no room for a directory entry with the longest name. */
export const MSIZE_MIN = 4096;

/**
 * Bytes of a request without the data of Twrite; the longest is Twalk with 16 names. What lies
 * beyond is not looked at.
 */
export const REQUEST_MAX = 16 * 1024;

type Done = (bytesWritten: number) => void;

interface Header {
  readonly type: number;
  readonly tag: number;
}

const decoder = new TextDecoder();

export class NinePSession {
  readonly #host: SessionHost;
  /** The scratch up to the data of Twrite, and behind that. */
  readonly #start: Uint8Array;
  readonly #rest: Uint8Array;
  /** Undefined before Tversion. */
  #context: Context | undefined;
  /** Requests on their way, by tag, with who waits for their end. */
  readonly #running = new Map<number, (() => void)[]>();

  /** The scratch has `REQUEST_MAX` bytes. */
  constructor(host: SessionHost) {
    this.#host = host;
    this.#start = host.scratch.subarray(0, WRITE_HEADER_SIZE);
    this.#rest = host.scratch.subarray(WRITE_HEADER_SIZE);
  }

  /** Fids that the guest holds. */
  get held(): number {
    return this.#context?.fids.size ?? 0;
  }

  /** Serves a request and calls `done`, now or later, with the bytes of its reply. */
  serve(chain: DescriptorChain, done: Done): void {
    const start = chain.readAt(0, this.#start);
    if (start < HEADER_SIZE || chain.writableLength < ERROR_SIZE) {
      done(0);
      return;
    }
    this.#host.counters.requests++;
    const fields = new FieldReader(this.#start);
    const claimed = fields.u32();
    const header = { type: fields.u8(), tag: fields.u16() };
    // The data of Twrite stays where the guest has it.
    const isWrite = header.type === Message.TWRITE;
    const length = isWrite ? start : start + chain.readAt(WRITE_HEADER_SIZE, this.#rest);
    if (claimed < HEADER_SIZE || claimed > chain.readableLength) {
      done(this.#fail(chain, header, Errno.EINVAL));
      return;
    }
    const args = new FieldReader(
      this.#host.scratch.subarray(HEADER_SIZE, Math.min(claimed, length)),
    );
    if (header.type === Message.TVERSION) done(this.#version(chain, header, args));
    else if (header.type === Message.TFLUSH) this.#flush(chain, header, args, done);
    else this.#operate(chain, header, args, done);
  }

  /** Ends the session, and closes what the guest has open. */
  close(): void {
    this.#context?.fids.close();
    this.#context = undefined;
  }

  #operate(chain: DescriptorChain, header: Header, args: FieldReader, done: Done): void {
    const context = this.#context;
    const operation = OPERATIONS.get(header.type);
    // Before anything is done that the guest would not hear of.
    const fits = chain.writableLength >= HEADER_SIZE + (operation?.replySize ?? 0);
    if (context === undefined) done(this.#fail(chain, header, Errno.EPROTO));
    else if (operation === undefined) done(this.#fail(chain, header, Errno.EOPNOTSUPP));
    else if (!fits) done(this.#fail(chain, header, Errno.EINVAL));
    else {
      const waiting: (() => void)[] = [];
      this.#running.set(header.tag, waiting);
      const finish = (bytes: number) => {
        if (this.#running.get(header.tag) === waiting) this.#running.delete(header.tag);
        done(bytes);
        for (const flushed of waiting) flushed();
      };
      run(
        () => operation.run(context, { args, chain }),
        (reply) => finish(this.#answer(chain, header, reply, context.msize)),
        (error) => finish(this.#fail(chain, header, errnoOf(error))),
      );
    }
  }

  /** msize[4] version[s]; everything that was before is over. */
  #version(chain: DescriptorChain, header: Header, args: FieldReader): number {
    let msize: number;
    let version: string;
    try {
      msize = Math.min(args.u32(), MSIZE_MAX);
      version = decoder.decode(textField(args).slice());
    } catch (error) {
      return this.#fail(chain, header, errnoOf(error));
    }
    if (msize < MSIZE_MIN) return this.#fail(chain, header, Errno.EINVAL);
    this.close();
    const isKnown = version === VERSION;
    if (isKnown) {
      const { tree, spend } = this.#host;
      this.#context = { tree, fids: new FidTable(), listings: new ListingBudget(), msize, spend };
    }
    const text = textOf(isKnown ? VERSION : "unknown");
    const out = new FieldWriter(4 + text.length).u32(msize).raw(text);
    return this.#answer(chain, header, out.bytes, msize);
  }

  /** oldtag[2]; answered when that request is, which is never cut short. */
  #flush(chain: DescriptorChain, header: Header, args: FieldReader, done: Done): void {
    let waiting: (() => void)[] | undefined;
    try {
      waiting = this.#running.get(args.u16());
    } catch (error) {
      done(this.#fail(chain, header, errnoOf(error)));
      return;
    }
    const answer = () => done(this.#answer(chain, header, 0, MSIZE_MAX));
    if (waiting === undefined) answer();
    else waiting.push(answer);
  }

  #answer(chain: DescriptorChain, header: Header, reply: Reply, msize: number): number {
    const total = HEADER_SIZE + (typeof reply === "number" ? reply : reply.length);
    if (total > Math.min(chain.writableLength, msize)) {
      return this.#fail(chain, header, Errno.EIO);
    }
    if (header.type === Message.TREAD) this.#host.counters.bytesRead += total - HEADER_SIZE - 4;
    if (header.type === Message.TWRITE) {
      this.#host.counters.bytesWritten += chain.readableLength - WRITE_HEADER_SIZE;
    }
    if (typeof reply !== "number") chain.writeAt(HEADER_SIZE, reply);
    return this.#writeHeader(chain, total, header.type + 1, header.tag);
  }

  /** Rlerror: ecode[4]. */
  #fail(chain: DescriptorChain, { tag }: Header, errno: number): number {
    this.#host.counters.errors++;
    chain.writeAt(HEADER_SIZE, new FieldWriter(4).u32(errno).bytes);
    return this.#writeHeader(chain, ERROR_SIZE, Message.RLERROR, tag);
  }

  /** size[4] type[1] tag[2]; returns the size. */
  #writeHeader(chain: DescriptorChain, size: number, type: number, tag: number): number {
    chain.writeAt(0, new FieldWriter(HEADER_SIZE).u32(size).u8(type).u16(tag).bytes);
    return size;
  }
}
