/** Packets of the socket device (virtio 5.10.6). */
import type { DescriptorChain } from "../chain.ts";

/** Well-known context identifiers (5.10.4). */
export const HOST_CID = 2;

/** `struct virtio_vsock_hdr.type`. */
export const VsockType = { STREAM: 1, SEQPACKET: 2 } as const;
export type VsockType = (typeof VsockType)[keyof typeof VsockType];

/** `struct virtio_vsock_hdr.op`. */
export const VsockOp = {
  REQUEST: 1,
  RESPONSE: 2,
  RST: 3,
  SHUTDOWN: 4,
  RW: 5,
  CREDIT_UPDATE: 6,
  CREDIT_REQUEST: 7,
} as const;

/** Flags of SHUTDOWN: what the sender will do no more. */
export const VsockShutdown = { RECEIVE: 1, SEND: 2, BOTH: 3 } as const;

/** Flag of RW on SEQPACKET: the packet is the last of its message. */
export const SEQ_EOM = 1;

export const VSOCK_HEADER_SIZE = 44;

/** Data of one packet, as Linux limits it too: long enough to copy at full speed. */
export const VSOCK_PACKET_MAX = 64 * 1024;

/** Offsets in `struct virtio_vsock_hdr`. */
const SRC_CID = 0;
const DST_CID = 8;
const SRC_PORT = 16;
const DST_PORT = 20;
const LENGTH = 24;
const TYPE = 28;
const OP = 30;
const FLAGS = 32;
const BUF_ALLOC = 36;
const FWD_CNT = 40;

/** One header, used again for each packet. */
export class VsockHeader {
  srcCid = 0;
  dstCid = 0;
  srcPort = 0;
  dstPort = 0;
  length = 0;
  type = 0;
  op = 0;
  flags = 0;
  bufAlloc = 0;
  fwdCnt = 0;
  readonly #bytes = new Uint8Array(VSOCK_HEADER_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);

  /** Reads the header of what the driver sent; false if the chain is too short for one. */
  read(chain: DescriptorChain): boolean {
    if (chain.readAt(0, this.#bytes) < VSOCK_HEADER_SIZE) return false;
    const view = this.#view;
    this.srcCid = this.#cid(SRC_CID);
    this.dstCid = this.#cid(DST_CID);
    this.srcPort = view.getUint32(SRC_PORT, true);
    this.dstPort = view.getUint32(DST_PORT, true);
    this.length = view.getUint32(LENGTH, true);
    this.type = view.getUint16(TYPE, true);
    this.op = view.getUint16(OP, true);
    this.flags = view.getUint32(FLAGS, true);
    this.bufAlloc = view.getUint32(BUF_ALLOC, true);
    this.fwdCnt = view.getUint32(FWD_CNT, true);
    return true;
  }

  /** Writes the header at the start of a buffer for the driver. */
  write(chain: DescriptorChain): void {
    const view = this.#view;
    this.#bytes.fill(0, 0, SRC_PORT);
    view.setUint32(SRC_CID, this.srcCid, true);
    view.setUint32(DST_CID, this.dstCid, true);
    view.setUint32(SRC_PORT, this.srcPort, true);
    view.setUint32(DST_PORT, this.dstPort, true);
    view.setUint32(LENGTH, this.length, true);
    view.setUint16(TYPE, this.type, true);
    view.setUint16(OP, this.op, true);
    view.setUint32(FLAGS, this.flags, true);
    view.setUint32(BUF_ALLOC, this.bufAlloc, true);
    view.setUint32(FWD_CNT, this.fwdCnt, true);
    chain.writeAt(0, this.#bytes);
  }

  /** Valid ones have 32 bits; of others only that they are not valid matters. */
  #cid(offset: number): number {
    const low = this.#view.getUint32(offset, true);
    return low + this.#view.getUint32(offset + 4, true) * 0x1_0000_0000;
  }
}
