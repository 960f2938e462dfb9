/** The guest's side of the socket device for tests: packets as a driver sends and receives them. */
import { type VsockDevice, VsockFeature } from "../devices/vsock.ts";
import { HOST_CID, VSOCK_HEADER_SIZE, VsockType } from "../devices/vsock-packet.ts";
import { bits, Feature } from "../spec.ts";
import { TestDriver } from "./driver.ts";
import type { DriverRequest } from "./driver-queue.ts";

const RX = 0;
const TX = 1;

/** Both ring layouts are tested alike. */
const FEATURES = bits(
  Feature.VERSION_1,
  Feature.RING_PACKED,
  Feature.INDIRECT_DESC,
  VsockFeature.STREAM,
  VsockFeature.SEQPACKET,
);

export interface Packet {
  readonly op: number;
  readonly type?: number;
  readonly srcPort?: number;
  readonly dstPort?: number;
  readonly srcCid?: number;
  readonly dstCid?: number;
  readonly flags?: number;
  readonly bufAlloc?: number;
  readonly fwdCnt?: number;
  /** What the header says, if not the truth. */
  readonly length?: number;
  readonly data?: Uint8Array;
}

export type ReceivedPacket = Required<Packet>;

export interface VsockGuestOptions {
  /** Features; default both kinds of sockets. */
  readonly accept?: bigint;
  /** Packets and buffers are never given back to it. */
  readonly ramSize?: number;
}

export class VsockGuest {
  readonly driver: TestDriver;
  /** Ports of the connection that packets are for unless they say otherwise. */
  guestPort = 1000;
  hostPort = 5000;
  bufAlloc = 0x1_0000;
  readonly #cid: number;
  #buffers: DriverRequest[] = [];

  constructor(
    device: VsockDevice,
    packed: boolean,
    { accept = FEATURES, ramSize = 24 << 20 }: VsockGuestOptions = {},
  ) {
    this.#cid = device.guestCid;
    this.driver = new TestDriver(device, { packed, ramSize }).start({ accept });
  }

  /** Gives `count` receive buffers of `size` bytes. */
  offer(count: number, size = 4096): this {
    const queue = this.driver.queues[RX];
    for (let i = 0; i < count; i++) this.#buffers.push(queue.add([], [size]));
    queue.kick();
    return this;
  }

  /** Transmits packets with one kick. */
  send(...packets: readonly Packet[]): this {
    const queue = this.driver.queues[TX];
    for (const packet of packets) {
      const data = packet.data ?? new Uint8Array();
      queue.add(data.length > 0 ? [this.#header(packet), data] : [this.#header(packet)], []);
    }
    queue.kick();
    queue.poll();
    return this;
  }

  /** Transmits bytes that need not be a packet. */
  sendBytes(bytes: Uint8Array): number {
    const queue = this.driver.queues[TX];
    queue.add([bytes], []);
    queue.kick();
    return queue.poll().length;
  }

  /** What was received since the last call. */
  received(): ReceivedPacket[] {
    const queue = this.driver.queues[RX];
    return queue.poll().flatMap(({ id, length }) => {
      const at = this.#buffers.findIndex((buffer) => buffer.id === id);
      const [buffer] = this.#buffers.splice(at, 1);
      return length === 0 ? [] : [parse(queue.written(buffer).subarray(0, length))];
    });
  }

  #header(packet: Packet): Uint8Array {
    const bytes = new Uint8Array(VSOCK_HEADER_SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(packet.srcCid ?? this.#cid), true);
    view.setBigUint64(8, BigInt(packet.dstCid ?? HOST_CID), true);
    view.setUint32(16, packet.srcPort ?? this.guestPort, true);
    view.setUint32(20, packet.dstPort ?? this.hostPort, true);
    view.setUint32(24, packet.length ?? packet.data?.length ?? 0, true);
    view.setUint16(28, packet.type ?? VsockType.STREAM, true);
    view.setUint16(30, packet.op, true);
    view.setUint32(32, packet.flags ?? 0, true);
    view.setUint32(36, packet.bufAlloc ?? this.bufAlloc, true);
    view.setUint32(40, packet.fwdCnt ?? 0, true);
    return bytes;
  }
}

function parse(bytes: Uint8Array<ArrayBuffer>): ReceivedPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    srcCid: Number(view.getBigUint64(0, true)),
    dstCid: Number(view.getBigUint64(8, true)),
    srcPort: view.getUint32(16, true),
    dstPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufAlloc: view.getUint32(36, true),
    fwdCnt: view.getUint32(40, true),
    data: bytes.slice(VSOCK_HEADER_SIZE),
  };
}
