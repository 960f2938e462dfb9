/** The driver's side of the file system device for tests: FUSE requests and their replies. */
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { FsDevice } from "../devices/fs.ts";
import { IN_HEADER_SIZE, Opcode, OUT_HEADER_SIZE, Out } from "../devices/fuse/abi.ts";
import { DAX_BLOCK } from "../devices/fuse/dax-window.ts";
import { Structure } from "../devices/fuse/message.ts";
import type { HostTree } from "../devices/host-tree/host-tree.ts";
import { encodeText } from "../devices/host-tree/names.ts";
import { RAM_BASE, settle, TestDriver } from "./driver.ts";
import type { DriverRequest } from "./driver-queue.ts";

const HIPRIO = 0;
const REQUESTS = 1;

/** Room for the longest reply of any request but READ. */
const REPLY = 4096;

export interface FuseReply {
  /** Positive, 0 for success. */
  readonly errno: number;
  /** What follows the header. */
  readonly body: Uint8Array;
  /** What the used element says. */
  readonly length: number;
}

/** Fields of a request: numbers of 32 bits, of 64 bits as bigint, names with a NUL, and bytes. */
export type Field = number | bigint | string | Uint8Array;

export function packed(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const parts = fields.map((field) => {
    if (typeof field === "number") return new Structure(4).u32(field >>> 0).bytes;
    if (typeof field === "bigint") return new Uint8Array(BigInt64Array.of(field).buffer);
    return typeof field === "string" ? encodeText(`${field}\0`) : field;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export class FuseDriver {
  readonly device: FsDevice;
  readonly driver: TestDriver;
  #unique = 0;

  /** With `daxBlocks`, the device has a DAX window of so many blocks behind RAM. */
  constructor(tree: HostTree, queueSize = 64, ramSize = 0x80_0000, daxBlocks = 0) {
    const windowSize = daxBlocks * DAX_BLOCK;
    const make = (memory: GuestMemory, offset: number) => {
      const base = RAM_BASE + ramSize;
      const region = { base: Math.ceil(base / DAX_BLOCK) * DAX_BLOCK, size: windowSize, offset };
      const dax = daxBlocks === 0 ? undefined : { memory, window: memory.addWindow(region) };
      return new FsDevice("fs0", "share", tree, dax);
    };
    this.driver = new TestDriver(make, { ramSize, windowSize }).start({ queueSize });
    this.device = this.driver.device as FsDevice;
  }

  /** INIT as Linux 6.12 sends it. */
  async mount(): Promise<this> {
    await this.request(Opcode.INIT, 0, packed(7, 41, 0x2_0000, -1, new Uint8Array(48)));
    return this;
  }

  /** Sends a request without looking for the answer. */
  send(opcode: number, nodeId: number, args: Uint8Array, room = REPLY): DriverRequest {
    const header = new Structure(IN_HEADER_SIZE).u32(IN_HEADER_SIZE + args.length).u32(opcode);
    header
      .u64(++this.#unique)
      .u64(nodeId)
      .u32(1000)
      .u32(100)
      .u32(1);
    const queue = this.driver.queues[REQUESTS];
    const request = queue.add([header.bytes, args], room > 0 ? [room] : []);
    queue.kick();
    return request;
  }

  /** The reply to a request, if it is the only one that was answered. */
  reply(request: DriverRequest): FuseReply | undefined {
    const queue = this.driver.queues[REQUESTS];
    const [used, ...others] = queue.poll();
    if (used === undefined) return undefined;
    if (others.length > 0 || used.id !== request.id)
      throw new Error("another request was answered");
    const bytes = queue.written(request).subarray(0, used.length);
    if (bytes.length < OUT_HEADER_SIZE) return { errno: 0, body: bytes, length: used.length };
    const view = new DataView(bytes.buffer);
    if (view.getUint32(0, true) !== used.length) throw new Error("the header's length is wrong");
    if (view.getUint32(8, true) !== this.#unique)
      throw new Error("the reply is not to this request");
    const body = bytes.subarray(OUT_HEADER_SIZE);
    return { errno: Math.abs(view.getInt32(4, true)), body, length: used.length };
  }

  /** Sends a request and waits for its reply. */
  async request(
    opcode: number,
    nodeId: number,
    args: Uint8Array = new Uint8Array(),
    room = REPLY,
  ): Promise<FuseReply> {
    const request = this.send(opcode, nodeId, args, room);
    for (let i = 0; i < 50; i++) {
      const reply = this.reply(request);
      if (reply !== undefined) return reply;
      await settle();
    }
    throw new Error("no reply");
  }

  /** A request that is to succeed; the body of its reply. @throws Error with the errno */
  async ask(opcode: number, nodeId: number, args?: Uint8Array, room?: number): Promise<FuseBody> {
    const { errno, body } = await this.request(opcode, nodeId, args, room);
    if (errno !== 0) throw new Error(`errno ${errno}`);
    return new FuseBody(body);
  }

  /** A request that has no reply. */
  forget(opcode: number, nodeId: number, args: Uint8Array): void {
    const header = new Structure(IN_HEADER_SIZE).u32(IN_HEADER_SIZE + args.length).u32(opcode);
    header.u64(++this.#unique).u64(nodeId);
    const queue = this.driver.queues[HIPRIO];
    queue.add([header.bytes, args], []);
    queue.kick();
    const [used] = queue.poll();
    if (used?.length !== 0) throw new Error("there was a reply");
  }

  /** The node of a name in the root. */
  async lookup(name: string, dir = 1): Promise<number> {
    return (await this.ask(Opcode.LOOKUP, dir, packed(name))).u64(0);
  }

  /** A new file, opened for reading and writing. */
  async create(name: string, dir = 1): Promise<{ node: number; fh: bigint }> {
    const body = await this.ask(Opcode.CREATE, dir, packed(2, 0o644, 0o22, 0, name));
    return { node: body.u64(0), fh: BigInt(body.u64(Out.ENTRY)) };
  }
}

/** Fields of a reply by offset. */
export class FuseBody {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): number {
    return Number(this.#view.getBigUint64(offset, true));
  }

  /** `mode` and `size` of a `struct fuse_attr`. */
  attributes(offset: number): { mode: string; size: number } {
    return { mode: this.u32(offset + 60).toString(8), size: this.u64(offset + 8) };
  }

  /** The names of READDIR, and where to go on. */
  names(plus = false): { names: string[]; next: number } {
    const names: string[] = [];
    let next = 0;
    const skip = plus ? Out.ENTRY : 0;
    for (let at = 0; at < this.bytes.length; ) {
      const length = this.u32(at + skip + 16);
      next = this.u64(at + skip + 8);
      const start = at + skip + Out.DIRENT;
      names.push(new TextDecoder().decode(this.bytes.slice(start, start + length)));
      at = start + Math.ceil(length / 8) * 8;
    }
    return { names, next };
  }
}
