/**
 * The bytes of requests that are kept: the beginning of each part, enough for its headers, and all of
 * a network packet. Packets have a ring of their own, so that a download does not push everything out.
 */
import { LARGE_FRAME_MAX, PACKET_HEADER } from "../../packet/header.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import { DeviceType } from "../../virtio/spec.ts";
import { answerLength } from "../payload/payload.ts";
import { ByteRing } from "./byte-ring.ts";
import { hasFailed } from "./failure.ts";
import { Part, type RequestLog } from "./request-log.ts";

/** Headers with names in them, such as a FUSE rename's, or the ranges of a discard. */
const HEAD_BYTES = 256;
/** What the heads of as many requests as are kept take, a little more than one part each. */
const HEADS_BYTES = 40 * 2 ** 20;
/** Some 20,000 full Ethernet frames. */
const PACKETS_BYTES = 32 * 2 ** 20;
const PACKET_MAX = PACKET_HEADER + LARGE_FRAME_MAX;

const NOTHING = new Uint8Array(0);

export class Samples {
  readonly #log: RequestLog;
  readonly #heads: ByteRing;
  readonly #packets: ByteRing;

  constructor(log: RequestLog, headsBytes = HEADS_BYTES, packetsBytes = PACKETS_BYTES) {
    this.#log = log;
    this.#heads = new ByteRing(headsBytes);
    this.#packets = new ByteRing(packetsBytes);
  }

  keepReadable(seq: number, type: number, chain: DescriptorChain): void {
    const length = Math.min(limitOf(type), chain.readableLength);
    if (length === 0) return;
    const at = this.#ringOf(type).put(chain.readable, length);
    this.#log.setSample(seq, Part.READABLE, at, length);
  }

  /**
   * Of a block request also the last byte, which is its status (virtio 5.2.6). Whether the answer says that the
   * request failed.
   */
  keepWritten(seq: number, type: number, chain: DescriptorChain, bytesWritten: number): boolean {
    const whole = answerLength(type, chain.writableLength, bytesWritten);
    const length = Math.min(limitOf(type), whole);
    if (length === 0) return false;
    const ring = this.#ringOf(type);
    const at = ring.put(chain.writable, length);
    this.#log.setSample(seq, Part.WRITTEN, at, length);
    const offset = ring.offset(at);
    if (type === DeviceType.BLOCK && length < whole) {
      // No part is empty: descriptors without bytes are left out of a chain.
      const last = chain.writable[chain.writable.length - 1];
      ring.data.setUint8(offset + length - 1, last[last.length - 1]);
    }
    return hasFailed(type, ring.data, offset, length);
  }

  /** What is kept of a part; empty if nothing ever was, undefined if it had to make room. */
  view(seq: number, type: number, part: Part): Uint8Array<ArrayBuffer> | undefined {
    const { at, length } = this.#log.sample(seq, part);
    return length === 0 ? NOTHING : this.#ringOf(type).view(at, length);
  }

  #ringOf(type: number): ByteRing {
    return type === DeviceType.NET ? this.#packets : this.#heads;
  }
}

function limitOf(type: number): number {
  return type === DeviceType.NET ? PACKET_MAX : HEAD_BYTES;
}
