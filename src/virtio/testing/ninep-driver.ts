/** The driver's side of the 9P transport for tests: 9P2000.L requests and their replies. */
import { HEADER_SIZE, Message } from "../devices/9p/protocol.ts";
import { NinePDevice } from "../devices/9p.ts";
import { FieldWriter } from "../devices/host-tree/fields.ts";
import type { HostTree } from "../devices/host-tree/host-tree.ts";
import { encodeText } from "../devices/host-tree/names.ts";
import { settle, TestDriver } from "./driver.ts";
import type { DriverRequest } from "./driver-queue.ts";

/** Fields of a request: 32 bits, 64 bits as bigint, s[n], and bytes as they are. */
export type NinePField = number | bigint | string | Uint8Array;

export function fields(...values: readonly NinePField[]): Uint8Array<ArrayBuffer> {
  const parts = values.map((value) => {
    if (typeof value === "number") return new FieldWriter(4).u32(value >>> 0).bytes;
    if (typeof value === "bigint") return new Uint8Array(BigInt64Array.of(value).buffer);
    if (typeof value !== "string") return value;
    const text = encodeText(value);
    return new FieldWriter(2 + text.length).u16(text.length).raw(text).bytes;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export interface NinePReply {
  /** 0 for success. */
  readonly errno: number;
  /** What follows the header. */
  readonly body: DataView;
}

export class NinePDriver {
  readonly device: NinePDevice;
  readonly driver: TestDriver;

  constructor(tree: HostTree, ramSize = 0x40_0000) {
    this.device = new NinePDevice("fs0", "share", tree);
    this.driver = new TestDriver(this.device, { ramSize }).start({ queueSize: 64 });
  }

  /** Tversion, and Tattach of fid 0. */
  async mount(msize = 65536): Promise<this> {
    await this.request(Message.TVERSION, fields(msize, "9P2000.L"));
    await this.request(Message.TATTACH, fields(0, -1, "root", "", 1000));
    return this;
  }

  send(type: number, args: Uint8Array, room = 4096, tag = 1): DriverRequest {
    const header = new FieldWriter(HEADER_SIZE)
      .u32(HEADER_SIZE + args.length)
      .u8(type)
      .u16(tag);
    const [queue] = this.driver.queues;
    const request = queue.add([header.bytes, args], room > 0 ? [room] : []);
    queue.kick();
    return request;
  }

  /** Sends a request and waits for its reply; undefined if there was no room for any. */
  async request(type: number, args: Uint8Array, room = 4096): Promise<NinePReply> {
    const request = this.send(type, args, room);
    const [queue] = this.driver.queues;
    for (let i = 0; i < 50; i++) {
      const [used] = queue.poll();
      if (used !== undefined)
        return readReply(queue.written(request).subarray(0, used.length), type);
      await settle();
    }
    throw new Error("no reply");
  }

  /** A request that is to succeed. @throws Error with the errno */
  async ask(type: number, args: Uint8Array, room?: number): Promise<DataView> {
    const { errno, body } = await this.request(type, args, room);
    if (errno !== 0) throw new Error(`errno ${errno}`);
    return body;
  }

  /** Twalk of one fid to a new one. */
  walk(fid: number, newFid: number, ...names: readonly string[]): Promise<NinePReply> {
    const count = new FieldWriter(2).u16(names.length).bytes;
    return this.request(Message.TWALK, fields(fid, newFid, count, ...names));
  }
}

function readReply(bytes: Uint8Array, type: number): NinePReply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 0) return { errno: 0, body: view };
  if (view.getUint32(0, true) !== bytes.length) throw new Error("the size is wrong");
  if (view.getUint16(5, true) !== 1) throw new Error("the reply is not to this request");
  const isError = view.getUint8(4) === Message.RLERROR;
  if (!isError && view.getUint8(4) !== type + 1) throw new Error("the reply is of another type");
  const body = new DataView(view.buffer, view.byteOffset + HEADER_SIZE, bytes.length - HEADER_SIZE);
  return { errno: isError ? body.getUint32(0, true) : 0, body };
}
