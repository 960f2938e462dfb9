/**
 * A TCP connection from a guest, as its server's end (RFC 9293). The host's socket is connected
 * already when this starts, so a guest hears of a refused connection as if it had asked directly.
 *
 * The life: handshake, open, and after both directions ended time-wait or at once closed.
 */
import type { TcpSegment } from "../../wire/tcp.ts";
import { buildSackOptions, buildSynOptions, parseTcpOptions, TcpFlag } from "../../wire/tcp.ts";
import { type ByteSink, RECEIVE_WINDOW_SHIFT, TcpReceiver } from "./receiver.ts";
import { TcpSender } from "./sender.ts";
import { advance } from "./sequence.ts";

/** What one segment carries on a LAN with an MTU of 1500 bytes. */
export const MSS = 1460;
/** What a guest that names no MSS can take (RFC 9293 3.7.1). */
const MSS_DEFAULT = 536;
/**
 * Payload of the largest segment: what fits an IP packet of 65535 bytes beside its headers. It is
 * made of several of the MSS, into which whoever needs plain frames divides it.
 */
const BURST_MAX = 65_535 - 20 - 60;
/** A guest that asks for less would turn each byte into a frame. */
export const MSS_MIN = 256;

/** The largest shift that is allowed (RFC 7323 2.3). */
const WINDOW_SHIFT_MAX = 14;

/** How often a SYN-ACK is repeated, each time after twice the time before. */
const HANDSHAKE_FIRST_MS = 1000;
const HANDSHAKE_TRIES = 5;

/** A guest that was silent for so long is asked for a sign of life, and again, and given up. */
export const KEEPALIVE_IDLE_MS = 300_000;
const KEEPALIVE_INTERVAL_MS = 60_000;
export const KEEPALIVE_PROBES = 5;

/** A connection without data is given up after this (RFC 5382 REQ-5 wants at least that). */
export const IDLE_MS = 124 * 60_000;
/** The same after one direction has ended: four minutes, its "transitory" time. */
export const HALF_CLOSED_IDLE_MS = 240_000;

/** Long enough to answer a repeated FIN on a LAN; RFC 9293 thinks of the whole Internet. */
export const TIME_WAIT_MS = 2000;

const NO_OPTIONS = new Uint8Array(0);

/** The host's socket as a connection sees it. */
export interface HostSide extends ByteSink {
  /** The guest sends no more. */
  end(): void;
  /** The connection failed: the other end should see a reset. */
  reset(): void;
  pause(): void;
  resume(): void;
}

export interface OutgoingSegment {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly options: Uint8Array;
  /** Bytes of payload, which `fill` copies to a frame. */
  readonly length: number;
  /** What each segment carries at most; a greater length is that of several. */
  readonly segmentSize: number;
  readonly fill: (frame: Uint8Array, at: number) => void;
}

/** Sends to the guest; false when the LAN has no room now. */
export type Emit = (segment: OutgoingSegment) => boolean;

type State = "handshake" | "open" | "time-wait" | "closed";

export class TcpConnection {
  readonly #host: HostSide;
  readonly #emit: Emit;
  readonly #receiver: TcpReceiver;
  readonly #initialSequence: number;
  readonly #synOptions: Uint8Array;
  readonly #guestShift: number;
  readonly #guestMss: number;
  readonly #windowShift: number;
  readonly #sack: boolean;
  #sender: TcpSender | undefined;
  #state: State = "handshake";
  #acknowledgeLater = false;
  #hostEnded = false;
  #finishedFirst = false;
  #paused = true;
  #deadlineMs: number;
  #handshakeTries = 1;
  #guestSeenMs: number;
  #dataSeenMs: number;
  #keepaliveProbes = 0;

  /** Answers `syn` with `initialSequence`. The host's socket must be paused. */
  constructor(syn: TcpSegment, initialSequence: number, host: HostSide, emit: Emit, nowMs: number) {
    const offered = parseTcpOptions(syn.options);
    const scaled = offered.windowScale !== undefined;
    this.#host = host;
    this.#emit = emit;
    this.#initialSequence = initialSequence;
    this.#guestShift = Math.min(offered.windowScale ?? 0, WINDOW_SHIFT_MAX);
    this.#windowShift = scaled ? RECEIVE_WINDOW_SHIFT : 0;
    this.#guestMss = Math.max(MSS_MIN, Math.min(offered.mss ?? MSS_DEFAULT, MSS));
    this.#sack = offered.sackPermitted === true;
    this.#synOptions = buildSynOptions({
      mss: MSS,
      ...(scaled ? { windowScale: RECEIVE_WINDOW_SHIFT } : {}),
      sackPermitted: this.#sack,
    });
    this.#receiver = new TcpReceiver(advance(syn.sequence, 1), this.#windowShift, host);
    this.#guestSeenMs = nowMs;
    this.#dataSeenMs = nowMs;
    this.#deadlineMs = nowMs + HANDSHAKE_FIRST_MS;
    this.#sendSynAck();
  }

  get state(): State {
    return this.#state;
  }

  /** A segment of this connection came from the guest. */
  receive(segment: TcpSegment, nowMs: number): void {
    if (this.#state === "closed") return;
    const { flags, sequence } = segment;
    this.#guestSeenMs = nowMs;
    this.#keepaliveProbes = 0;
    if ((flags & TcpFlag.rst) !== 0) {
      this.#receiveReset(sequence);
    } else if ((flags & TcpFlag.syn) !== 0) {
      this.#receiveSyn();
    } else if ((flags & TcpFlag.ack) !== 0) {
      if (this.#state !== "handshake" || this.#open(segment)) this.#receiveOpen(segment, nowMs);
    }
  }

  /** Bytes came from the host, while it was not paused. They are sent by `flush`. */
  hostData(bytes: Uint8Array, nowMs: number): void {
    if (this.#state !== "open") return;
    const sender = this.#sender!;
    this.#dataSeenMs = nowMs;
    sender.buffer.push(bytes);
    sender.expectsMore = sender.full;
    if (sender.full && !this.#paused) {
      this.#paused = true;
      this.#host.pause();
    }
  }

  /** The host sends no more. */
  hostEnd(nowMs: number): void {
    this.#hostEnded = true;
    if (this.#state !== "open") return;
    this.#sender!.finish();
    this.#sender!.pump(nowMs);
  }

  /** The host's socket failed: the guest sees a reset. */
  abort(): void {
    if (this.#state === "closed") return;
    if (this.#state !== "time-wait") this.#send(TcpFlag.rst | TcpFlag.ack, this.#nextSequence);
    this.#state = "closed";
  }

  /**
   * Sends what waited for the end of a burst: data of the host, whose reads are no multiples of a segment
   * and would each leave a small one, then the acknowledgment or window update.
   */
  flush(nowMs: number): void {
    if (this.#state !== "open") return;
    this.#sender!.pump(nowMs);
    if (this.#acknowledgeLater || this.#receiver.shouldReopen) this.#acknowledge();
  }

  /** Acts on the timers. */
  tick(nowMs: number): void {
    if (this.#state === "handshake") this.#tickHandshake(nowMs);
    else if (this.#state === "time-wait" && nowMs >= this.#deadlineMs) this.#state = "closed";
    else if (this.#state === "open") this.#tickOpen(nowMs);
  }

  get #nextSequence(): number {
    return this.#sender?.next ?? advance(this.#initialSequence, 1);
  }

  #receiveReset(sequence: number): void {
    // Only the very next number resets; others in the window are asked for it (RFC 5961 3.2).
    if (sequence === this.#receiver.next) {
      if (this.#state !== "time-wait") this.#host.reset();
      this.#state = "closed";
    } else if (this.#receiver.acceptable(sequence, 0)) {
      this.#acknowledge();
    }
  }

  #receiveSyn(): void {
    if (this.#state === "handshake") this.#sendSynAck();
    else this.#acknowledge();
  }

  /** Ends the handshake if `segment` acknowledges the SYN-ACK. */
  #open(segment: TcpSegment): boolean {
    const start = advance(this.#initialSequence, 1);
    if (segment.acknowledgment !== start) {
      this.#send(TcpFlag.rst, segment.acknowledgment);
      return false;
    }
    const first = {
      sequence: segment.sequence,
      acknowledgment: start,
      window: segment.window << this.#guestShift,
      pure: true,
    };
    const burst = BURST_MAX - (BURST_MAX % this.#guestMss);
    const sizes = { mss: this.#guestMss, burst };
    this.#sender = new TcpSender(start, sizes, first, (sequence, offset, length, flags) =>
      this.#transmit(sequence, offset, length, flags.push, flags.fin),
    );
    this.#state = "open";
    if (this.#hostEnded) this.#sender.finish();
    this.#resumeHost();
    return true;
  }

  #receiveOpen(segment: TcpSegment, nowMs: number): void {
    const { sequence, acknowledgment, payload } = segment;
    const sender = this.#sender!;
    const fin = (segment.flags & TcpFlag.fin) !== 0;
    const length = payload.length + (fin ? 1 : 0);
    const window = segment.window << this.#guestShift;
    const ack = { sequence, acknowledgment, window, pure: length === 0 };
    if (!this.#receiver.acceptable(sequence, length) || !sender.acknowledge(ack, nowMs)) {
      this.#acknowledge();
      return;
    }
    if (length > 0) this.#receiveData(sequence, payload, fin, nowMs);
    sender.pump(nowMs);
    this.#resumeHost();
    this.#settle(nowMs);
  }

  #receiveData(sequence: number, payload: Uint8Array, fin: boolean, nowMs: number): void {
    const acceptance = this.#receiver.accept(sequence, payload, fin);
    if (acceptance === "ordered" && this.#receiver.early.size === 0) this.#acknowledgeLater = true;
    else this.#acknowledge();
    if (acceptance !== "ordered") return;
    this.#dataSeenMs = nowMs;
    if (this.#receiver.finished) {
      this.#finishedFirst = this.#sender!.finSent;
      this.#host.end();
      this.#acknowledge();
    }
  }

  /** Ends the connection when both directions have ended. */
  #settle(nowMs: number): void {
    if (this.#state !== "open") return;
    if (!this.#receiver.finished || !this.#sender!.finAcknowledged) return;
    // Who ended first answers the other's repeated FIN for a while.
    this.#state = this.#finishedFirst ? "time-wait" : "closed";
    this.#deadlineMs = nowMs + TIME_WAIT_MS;
  }

  #resumeHost(): void {
    if (!this.#paused || this.#hostEnded || this.#sender?.full !== false) return;
    this.#paused = false;
    this.#host.resume();
  }

  #tickHandshake(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    if (this.#handshakeTries >= HANDSHAKE_TRIES) {
      this.#fail();
      return;
    }
    this.#deadlineMs = nowMs + HANDSHAKE_FIRST_MS * 2 ** this.#handshakeTries;
    this.#handshakeTries += 1;
    this.#sendSynAck();
  }

  #tickOpen(nowMs: number): void {
    const sender = this.#sender!;
    sender.tick(nowMs);
    const halfClosed = this.#hostEnded || this.#receiver.finished;
    const idleMs = nowMs - this.#dataSeenMs;
    if (sender.exhausted || idleMs >= (halfClosed ? HALF_CLOSED_IDLE_MS : IDLE_MS)) {
      this.#fail();
      return;
    }
    const askAt = this.#guestSeenMs + KEEPALIVE_IDLE_MS;
    if (nowMs < askAt + this.#keepaliveProbes * KEEPALIVE_INTERVAL_MS) return;
    if (this.#keepaliveProbes >= KEEPALIVE_PROBES) {
      this.#fail();
      return;
    }
    this.#keepaliveProbes += 1;
    // A number just before the expected one is answered with an acknowledgment (RFC 1122 4.2.3.6).
    this.#send(TcpFlag.ack, advance(sender.unacknowledged, -1));
  }

  /** Gives up: both ends see a reset. */
  #fail(): void {
    this.#host.reset();
    this.abort();
  }

  #transmit(
    sequence: number,
    offset: number,
    length: number,
    push: boolean,
    fin: boolean,
  ): boolean {
    const buffer = this.#sender!.buffer;
    this.#acknowledgeLater = false;
    return this.#emit({
      sequence,
      acknowledgment: this.#receiver.next,
      flags: TcpFlag.ack | (push ? TcpFlag.psh : 0) | (fin ? TcpFlag.fin : 0),
      window: this.#windowField(),
      options: NO_OPTIONS,
      length,
      segmentSize: this.#guestMss,
      fill: (frame, at) => buffer.copy(offset, length, frame, at),
    });
  }

  #acknowledge(): void {
    this.#acknowledgeLater = false;
    const early = this.#receiver.early;
    const options = this.#sack && early.size > 0 ? buildSackOptions(early.ranges()) : NO_OPTIONS;
    this.#send(TcpFlag.ack, this.#nextSequence, options);
  }

  #sendSynAck(): void {
    // The window of a SYN is never scaled (RFC 7323 2.2).
    const window = Math.min(this.#receiver.openWindow(), 0xffff);
    this.#send(TcpFlag.syn | TcpFlag.ack, this.#initialSequence, this.#synOptions, window);
  }

  /** Sends a segment without data. */
  #send(
    flags: number,
    sequence: number,
    options: Uint8Array = NO_OPTIONS,
    window = this.#windowField(),
  ): void {
    const acknowledgment = this.#receiver.next;
    this.#emit({
      sequence,
      acknowledgment,
      flags,
      window,
      options,
      length: 0,
      segmentSize: 0,
      fill: () => {},
    });
  }

  #windowField(): number {
    return Math.min(this.#receiver.openWindow() >>> this.#windowShift, 0xffff);
  }
}

/** How many sequence numbers a segment takes. */
export function sequenceLength(segment: TcpSegment): number {
  const { flags, payload } = segment;
  return (
    payload.length + ((flags & TcpFlag.syn) !== 0 ? 1 : 0) + ((flags & TcpFlag.fin) !== 0 ? 1 : 0)
  );
}
