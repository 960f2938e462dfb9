/** The way of frames into one receive queue of a network device (virtio 5.1.6.3, 5.1.6.4). */
import { PACKET_HEADER, writeNumBuffers } from "../../packet/header.ts";
import type { DescriptorChain } from "../chain.ts";
import { drain, type Virtqueue } from "../queue.ts";

/** Frames waiting for receive buffers: a burst of one queue, beyond which a network drops too. */
export const NET_RECEIVE_MAX = 256;

/** Bytes that wait, since frames may be large ones: what a relay keeps for a slow member. */
export const NET_RECEIVE_BYTES_MAX = 2 * 1024 * 1024;

/** Buffers merged for one frame: more than a 64 KiB frame needs of the smallest that drivers use. */
export const NET_MERGE_MAX = 64;

export interface ReceiveCounters {
  received: number;
  receivedBytes: number;
  receiveDropped: number;
}

interface Waiting {
  readonly bytes: Uint8Array;
  /** Where the frame begins; before it is its header, unless this is 0. */
  readonly frameAt: number;
}

export class NetReceiveQueue {
  readonly #queue: Virtqueue;
  readonly #merge: boolean;
  readonly #header: Uint8Array;
  readonly #counters: ReceiveCounters;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Receive buffers taken for the next frame and not yet large enough for it. */
  #held: DescriptorChain[] = [];
  #room = 0;

  /** `headerSize` is 10 or 12. */
  constructor(queue: Virtqueue, headerSize: number, merge: boolean, counters: ReceiveCounters) {
    this.#queue = queue;
    this.#merge = merge;
    this.#header = new Uint8Array(headerSize);
    this.#counters = counters;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get ready(): boolean {
    return this.#queue.ready;
  }

  /** Takes a frame at `frameAt` of `bytes`, which must not change, and drops it if too many wait. */
  push(bytes: Uint8Array, frameAt: number): void {
    const isFull = this.#waitingBytes + bytes.length > NET_RECEIVE_BYTES_MAX;
    if (isFull || this.#waiting.length >= NET_RECEIVE_MAX) {
      this.#counters.receiveDropped++;
      return;
    }
    this.#waiting.push({ bytes, frameAt });
    this.#waitingBytes += bytes.length;
  }

  /** Puts waiting frames into receive buffers, and keeps what has no buffer yet. */
  deliver(): void {
    if (this.#waiting.length === 0) return;
    // The driver may have reset the queue meanwhile.
    if (this.#held.length > 0 && !this.#held[0].alive) this.#release();
    drain(this.#queue, this.#take);
    this.#queue.publish();
  }

  /** Drops what waits. The buffers held go back unused. */
  clear(): void {
    this.#counters.receiveDropped += this.#waiting.length;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const chain of this.#held) this.#queue.stage(chain, 0);
    this.#release();
    this.#queue.publish();
  }

  readonly #take = (chain: DescriptorChain): boolean => {
    this.#held.push(chain);
    this.#room += chain.writableLength;
    const [next] = this.#waiting;
    const isEnough = this.#room >= this.#header.length + next.bytes.length - next.frameAt;
    // Without merging a frame has one buffer, and one that does not fit is dropped, never cut.
    if (!isEnough && this.#merge && this.#held.length < NET_MERGE_MAX) return true;
    this.#waiting.shift();
    this.#waitingBytes -= next.bytes.length;
    if (isEnough) this.#write(next);
    else this.#drop();
    this.#release();
    return this.#waiting.length > 0;
  };

  #write({ bytes, frameAt }: Waiting): void {
    const header = this.#header;
    if (frameAt === 0) header.fill(0);
    else header.set(bytes.subarray(0, header.length));
    // Without merging too it says one (5.1.6.4.1).
    if (header.length === PACKET_HEADER) writeNumBuffers(header, this.#held.length);
    let at = 0;
    for (const chain of this.#held) {
      // Header and frame are one run of bytes, cut wherever a buffer ends.
      const ofHeader = at < header.length ? chain.writeAt(0, header.subarray(at)) : 0;
      const from = frameAt + Math.max(0, at - header.length);
      const count = ofHeader + chain.writeAt(ofHeader, bytes.subarray(from));
      this.#queue.stage(chain, count);
      at += count;
    }
    this.#counters.received++;
    this.#counters.receivedBytes += bytes.length - frameAt;
  }

  /** The buffers go back empty, so that one of no use cannot block the queue for ever. */
  #drop(): void {
    for (const chain of this.#held) this.#queue.stage(chain, 0);
    this.#counters.receiveDropped++;
  }

  #release(): void {
    this.#held = [];
    this.#room = 0;
  }
}
