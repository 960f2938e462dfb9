/** The sending half of a connection to a guest: what is sent when, and again. */
import { CongestionWindow, RetransmissionTimeout } from "./congestion.ts";
import { SendBuffer } from "./send-buffer.ts";
import { advance, distance, isAfter } from "./sequence.ts";

/** Acknowledgments for the same byte that mean a loss (RFC 5681 3.2). */
const DUPLICATE_THRESHOLD = 3;

/** Bytes kept, for a retransmission or to be sent: it bounds the memory of a connection. */
export const SEND_BUFFER_BYTES = 1024 * 1024;

/** What one read from a host socket brings at most. */
const HOST_READ_BYTES = 64 * 1024;

/**
 * Bytes in flight at most: 90 MB/s at a round trip of 10 ms, which is what a page takes on a busy computer.
 * What is kept beyond them is the next packet, whole when an acknowledgment makes room for it.
 */
export const FLIGHT_BYTES = SEND_BUFFER_BYTES - 2 * HOST_READ_BYTES;

/** A packet is not held back for more than this part of the window, which would leave a guest idle. */
const BURSTS_PER_WINDOW = 4;

/** Timeouts in a row after which the guest is given up: about 100 s at the longest timeout. */
export const MAX_TIMEOUTS = 15;

/** Sends `length` bytes of the buffer from `offset` on; false when the LAN has no room now. */
export type Transmit = (
  sequence: number,
  offset: number,
  length: number,
  flags: SendFlags,
) => boolean;

export interface SegmentSizes {
  /** Bytes of one segment. */
  readonly mss: number;
  /** Bytes that are sent at once, as one large segment: a multiple of the MSS. */
  readonly burst: number;
}

interface SendFlags {
  /** This is the last that waits: the guest's application should see it. */
  readonly push: boolean;
  readonly fin: boolean;
}

export interface Acknowledgment {
  readonly sequence: number;
  readonly acknowledgment: number;
  /** Bytes, scaled. */
  readonly window: number;
  /** Whether the segment carries nothing else (a duplicate acknowledgment must not). */
  readonly pure: boolean;
}

export class TcpSender {
  readonly buffer = new SendBuffer();
  /** Whether the host has more than there was room for: a small rest then need not be a packet. */
  expectsMore = false;
  readonly #transmit: Transmit;
  readonly #mss: number;
  readonly #burst: number;
  readonly #congestion: CongestionWindow;
  readonly #timeout = new RetransmissionTimeout();
  /** First byte not acknowledged, which is the buffer's first (SND.UNA). */
  #unacknowledged: number;
  /** Next byte to send (SND.NXT), and the highest it ever was. */
  #next: number;
  #highest: number;
  #peerWindow: number;
  #windowSequence: number;
  #windowAcknowledgment: number;
  #duplicates = 0;
  /** In recovery until this is acknowledged. */
  #recoverUntil: number | undefined;
  #finQueued = false;
  #finSequence: number | undefined;
  #finAcknowledged = false;
  #deadlineMs = Infinity;
  #timeouts = 0;
  /** The end of the segment whose round trip is being measured. */
  #timed: { readonly end: number; readonly sentMs: number } | undefined;

  constructor(start: number, sizes: SegmentSizes, first: Acknowledgment, transmit: Transmit) {
    const { mss, burst } = sizes;
    this.#unacknowledged = start;
    this.#next = start;
    this.#highest = start;
    this.#mss = mss;
    this.#burst = burst;
    this.#congestion = new CongestionWindow(mss);
    this.#peerWindow = first.window;
    this.#windowSequence = first.sequence;
    this.#windowAcknowledgment = first.acknowledgment;
    this.#transmit = transmit;
  }

  get next(): number {
    return this.#next;
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  get finSent(): boolean {
    return this.#finSequence !== undefined;
  }

  get finAcknowledged(): boolean {
    return this.#finAcknowledged;
  }

  /** Whether a further read from the host might not fit. */
  get full(): boolean {
    return this.buffer.length > SEND_BUFFER_BYTES - HOST_READ_BYTES;
  }

  /** Whether the guest did not answer for so long that it must be gone. */
  get exhausted(): boolean {
    return this.#timeouts > MAX_TIMEOUTS;
  }

  /** No data follows what is buffered. */
  finish(): void {
    this.expectsMore = false;
    this.#finQueued = true;
  }

  /**
   * Takes in an acknowledgment.
   * @returns false when it is for bytes that were never sent.
   */
  acknowledge(ack: Acknowledgment, nowMs: number): boolean {
    if (isAfter(ack.acknowledgment, this.#highest)) return false;
    const inFlight = distance(this.#next, this.#unacknowledged);
    const advanced = distance(ack.acknowledgment, this.#unacknowledged);
    // What answers a probe of a shut window says nothing of a loss.
    const sameWindow = ack.window === this.#peerWindow && ack.window > 0;
    this.#updateWindow(ack);
    // A guest that answers probes is alive, though it takes no data.
    if (this.#peerWindow === 0) this.#timeouts = 0;
    if (advanced > 0) this.#advance(ack.acknowledgment, advanced, nowMs);
    else if (advanced === 0 && ack.pure && sameWindow && inFlight > 0) this.#duplicate(inFlight);
    return true;
  }

  /** Sends what the windows allow. */
  pump(nowMs: number): void {
    const limit = Math.min(this.#congestion.bytes, this.#peerWindow, FLIGHT_BYTES);
    for (;;) {
      const offset = distance(this.#next, this.#unacknowledged);
      const waiting = this.buffer.length - offset;
      if (waiting <= 0) break;
      let size = Math.min(waiting, this.#burst, limit - offset);
      if (size <= 0) break;
      // Whole segments, and the last of the data by itself.
      if (size > this.#mss && size < waiting) size -= size % this.#mss;
      // What is small beside the window, out of a large buffer, is sent only when nothing else is under
      // way (the sender's half of avoiding silly windows, RFC 9293 3.8.6.2.1). The guest pays by packet.
      const least = Math.max(this.#mss, Math.min(this.#burst, limit / BURSTS_PER_WINDOW));
      const isRest = size === waiting && !this.expectsMore;
      if (size < least && !isRest && offset > 0) break;
      if (!this.#transmit(this.#next, offset, size, { push: size === waiting, fin: false })) break;
      this.#sent(size, nowMs);
    }
    this.#pumpFin(nowMs);
    if (this.#deadlineMs === Infinity && this.#pending) this.#arm(nowMs);
  }

  /** Acts on the timer. */
  tick(nowMs: number): void {
    this.buffer.trim();
    if (nowMs >= this.#deadlineMs) this.#timedOut(nowMs);
    this.pump(nowMs);
  }

  /** Whether anything is unsent or unacknowledged. */
  get #pending(): boolean {
    return this.buffer.length > 0 || (this.#finQueued && !this.#finAcknowledged);
  }

  #updateWindow(ack: Acknowledgment): void {
    const newer = distance(ack.sequence, this.#windowSequence);
    if (newer < 0) return;
    if (newer === 0 && isAfter(this.#windowAcknowledgment, ack.acknowledgment)) return;
    this.#windowSequence = ack.sequence;
    this.#windowAcknowledgment = ack.acknowledgment;
    // A window that opens ends the probing: what was probed for is sent at once.
    if (this.#peerWindow === 0 && ack.window > 0) this.#next = this.#unacknowledged;
    this.#peerWindow = ack.window;
  }

  #advance(acknowledgment: number, advanced: number, nowMs: number): void {
    const data = Math.min(advanced, this.buffer.length);
    this.buffer.consume(data);
    this.#unacknowledged = acknowledgment;
    if (isAfter(acknowledgment, this.#next)) this.#next = acknowledgment;
    if (this.#finSequence !== undefined && isAfter(acknowledgment, this.#finSequence)) {
      this.#finAcknowledged = true;
    }
    this.#measure(acknowledgment, nowMs);
    this.#timeouts = 0;
    this.#timeout.progressed();
    this.#duplicates = 0;
    if (this.#recoverUntil === undefined) {
      this.#congestion.acknowledged(data, FLIGHT_BYTES);
    } else if (distance(acknowledgment, this.#recoverUntil) >= 0) {
      this.#recoverUntil = undefined;
      this.#congestion.leaveRecovery();
    } else {
      // The next hole of the same loss: it is sent at once (RFC 6582).
      this.#congestion.deflate(data);
      this.#retransmitFirst();
    }
    this.#deadlineMs = Infinity;
    if (this.#pending) this.#arm(nowMs);
  }

  #duplicate(inFlight: number): void {
    this.#duplicates += 1;
    if (this.#recoverUntil !== undefined) {
      this.#congestion.inflate();
    } else if (this.#duplicates === DUPLICATE_THRESHOLD) {
      this.#recoverUntil = this.#highest;
      this.#congestion.enterRecovery(inFlight);
      this.#retransmitFirst();
    }
  }

  #retransmitFirst(): void {
    this.#timed = undefined;
    const size = Math.min(this.#mss, this.buffer.length);
    if (size > 0) {
      this.#transmit(this.#unacknowledged, 0, size, { push: true, fin: false });
    } else if (this.#finSequence !== undefined) {
      this.#transmit(this.#finSequence, 0, 0, { push: false, fin: true });
    }
  }

  #timedOut(nowMs: number): void {
    const inFlight = distance(this.#next, this.#unacknowledged);
    this.#timed = undefined;
    this.#timeout.backOff();
    this.#timeouts += 1;
    if (this.#peerWindow === 0) {
      // One byte beyond the window asks for its state (RFC 9293 3.8.6.1).
      this.#probe();
    } else if (inFlight > 0) {
      this.#congestion.timedOut(inFlight);
      this.#recoverUntil = undefined;
      this.#duplicates = 0;
      this.#next = this.#unacknowledged;
    }
    this.#arm(nowMs);
  }

  #probe(): void {
    if (this.buffer.length === 0) {
      this.#retransmitFirst();
      return;
    }
    this.#transmit(this.#unacknowledged, 0, 1, { push: true, fin: false });
    const end = advance(this.#unacknowledged, 1);
    if (isAfter(end, this.#highest)) this.#highest = end;
    if (isAfter(end, this.#next)) this.#next = end;
  }

  #pumpFin(nowMs: number): void {
    if (!this.#finQueued || this.#finAcknowledged) return;
    const end = advance(this.#unacknowledged, this.buffer.length);
    if (this.#next !== end) return;
    if (!this.#transmit(end, 0, 0, { push: false, fin: true })) return;
    this.#finSequence = end;
    this.#sent(1, nowMs);
  }

  #sent(count: number, nowMs: number): void {
    this.#next = advance(this.#next, count);
    if (isAfter(this.#next, this.#highest)) {
      this.#highest = this.#next;
      // Only what is sent for the first time can be timed (Karn's algorithm, RFC 6298 3).
      this.#timed ??= { end: this.#next, sentMs: nowMs };
    }
  }

  #measure(acknowledgment: number, nowMs: number): void {
    if (this.#timed === undefined || isAfter(this.#timed.end, acknowledgment)) return;
    this.#timeout.measured(nowMs - this.#timed.sentMs);
    this.#timed = undefined;
  }

  #arm(nowMs: number): void {
    this.#deadlineMs = nowMs + this.#timeout.ms;
  }
}
