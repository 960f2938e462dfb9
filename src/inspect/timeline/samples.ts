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
import type { Sample } from "./request-log.ts";

/** Headers with names in them, such as a FUSE rename's, or the ranges of a discard. */
const HEAD_BYTES = 256;
/** Of what is longer and of a block request: the header, and of the data what a line of a hex view shows. */
const TRANSFER_BYTES = 32;
/** What the heads of as many requests as are kept take, a little more than one part each. */
const HEADS_BYTES = 40 * 2 ** 20;
/** Some 20,000 full Ethernet frames. */
const PACKETS_BYTES = 32 * 2 ** 20;
const PACKET_MAX = PACKET_HEADER + LARGE_FRAME_MAX;

const NOTHING = new Uint8Array(0);

export class Samples {
  /** Where the bytes are that were kept last. */
  at = 0;
  /** Whether the answer that was kept last says that its request failed. */
  hasFailed = false;
  readonly #heads: ByteRing;
  readonly #packets: ByteRing;

  constructor(headsBytes = HEADS_BYTES, packetsBytes = PACKETS_BYTES) {
    this.#heads = new ByteRing(headsBytes);
    this.#packets = new ByteRing(packetsBytes);
  }

  /** How many bytes were kept of what the driver wrote. */
  keepReadable(type: number, chain: DescriptorChain): number {
    const length = sampleLength(type, chain.readableLength);
    if (length > 0) this.at = this.#ringOf(type).put(chain.readable, length);
    return length;
  }

  /** As `keepReadable`, of the answer; of a block request also the last byte, which is its status (virtio 5.2.6). */
  keepWritten(type: number, chain: DescriptorChain, bytesWritten: number): number {
    const whole = answerLength(type, chain.writableLength, bytesWritten);
    const length = sampleLength(type, whole);
    this.hasFailed = false;
    if (length === 0) return 0;
    const ring = this.#ringOf(type);
    this.at = ring.put(chain.writable, length);
    const start = ring.next - length;
    if (type === DeviceType.BLOCK && length < whole) {
      // No part is empty: descriptors without bytes are left out of a chain.
      const last = chain.writable[chain.writable.length - 1];
      ring.data.setUint8(start + length - 1, last[last.length - 1]);
    }
    this.hasFailed = hasFailed(type, ring.data, start, length);
    return length;
  }

  /** The bytes of a part; empty if nothing was kept, undefined if they had to make room. */
  view(type: number, { at, length }: Sample): Uint8Array<ArrayBuffer> | undefined {
    return length === 0 ? NOTHING : this.#ringOf(type).view(at, length);
  }

  #ringOf(type: number): ByteRing {
    return type === DeviceType.NET ? this.#packets : this.#heads;
  }
}

/** How much is kept of a part of so many bytes. */
function sampleLength(type: number, length: number): number {
  if (type === DeviceType.NET) return Math.min(length, PACKET_MAX);
  if (length <= HEAD_BYTES) return length;
  return type === DeviceType.BLOCK ? TRANSFER_BYTES : HEAD_BYTES;
}
