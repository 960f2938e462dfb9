/**
 * A guest's TCP for tests, written apart from the gateway's: a client that keeps early segments,
 * acknowledges each one, and goes back to the first loss when it sends.
 */
import { IpProtocol } from "../wire/ipv4.ts";
import {
  buildSynOptions,
  parseTcpOptions,
  TCP_HEADER,
  TcpFlag,
  type TcpSegment,
  writeTcp,
} from "../wire/tcp.ts";
import type { TestGuest } from "./guest.ts";

const MSS = 1460;
const SHIFT = 7;
const MAX_IN_FLIGHT = 256 * 1024;
const RETRY_MS = 150;
const TICK_MS = 20;
const WINDOW = 1024 * 1024;

export interface ClientOptions {
  /** Where the received bytes go. */
  readonly onData?: (bytes: Uint8Array) => void;
  readonly port?: number;
  readonly initialSequence?: number;
}

export class TestTcpClient {
  /** Set by the caller: what the guest's application has room for. */
  window = WINDOW;
  receivedBytes = 0;
  /** The window that the gateway advertised last. */
  peerWindow = 0;
  readonly port: number;
  readonly #guest: TestGuest;
  readonly #destination: number;
  readonly #destinationPort: number;
  readonly #onData: (bytes: Uint8Array) => void;
  readonly #early = new Map<number, TcpSegment>();
  readonly #stop: () => void;
  #start: number;
  /** Relative to the first byte: acknowledged, sent. */
  #acknowledged = 0;
  #sent = 0;
  #expected = 0;
  #outgoing = new Uint8Array(0);
  #finAt: number | undefined;
  #peerShift = 0;
  #duplicates = 0;
  #progressMs = performance.now();
  #connected = false;
  #failed = false;
  #peerFinished = false;
  #changed: (() => void)[] = [];

  constructor(
    guest: TestGuest,
    destination: number,
    destinationPort: number,
    options: ClientOptions = {},
  ) {
    this.#guest = guest;
    this.#destination = destination;
    this.#destinationPort = destinationPort;
    this.#onData = options.onData ?? (() => {});
    this.port = options.port ?? 50_000;
    // Near the end of the numbers, so that every test crosses zero.
    this.#start = options.initialSequence ?? 0xffff_ff00;
    const unlisten = guest.listenTcp(this.port, (segment) => this.#receive(segment));
    const timer = setInterval(() => this.#tick(), TICK_MS);
    this.#stop = () => {
      clearInterval(timer);
      unlisten();
    };
  }

  get reset(): boolean {
    return this.#failed;
  }

  get finished(): boolean {
    return this.#peerFinished;
  }

  /** @throws Error when the gateway resets the attempt. */
  async connect(): Promise<void> {
    this.#sendSyn();
    await this.until(() => this.#connected || this.#failed);
    if (this.#failed) throw new Error("connection refused");
  }

  /** Sends `bytes`, and resolves when they are acknowledged. */
  async send(bytes: Uint8Array): Promise<void> {
    const joined = new Uint8Array(this.#outgoing.length + bytes.length);
    joined.set(this.#outgoing);
    joined.set(bytes, this.#outgoing.length);
    this.#outgoing = joined;
    this.#pump();
    await this.until(() => this.#acknowledged >= joined.length || this.#failed);
  }

  /** Sends a FIN after everything else. */
  end(): void {
    this.#finAt = this.#outgoing.length;
    this.#pump();
  }

  abort(): void {
    this.sendSegment(TcpFlag.rst | TcpFlag.ack, this.#start + 1 + this.#sent);
  }

  /** Ends the client without a word to the gateway. */
  dispose(): void {
    this.#stop();
  }

  /** Tells the gateway of a changed window. */
  updateWindow(window: number): void {
    this.window = window;
    this.#acknowledge();
  }

  until(condition: () => boolean, timeoutMs = 25_000): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      const check = () => {
        if (condition()) resolve();
        else if (performance.now() > deadlineMs)
          reject(new Error("the connection made no progress"));
        else this.#changed.push(check);
      };
      check();
    });
  }

  sendSegment(flags: number, sequence: number, payload = new Uint8Array(0), options?: Uint8Array) {
    const extra = options ?? new Uint8Array(0);
    const bytes = new Uint8Array(TCP_HEADER + extra.length + payload.length);
    bytes.set(payload, TCP_HEADER + extra.length);
    const ports = { sourcePort: this.port, destinationPort: this.#destinationPort };
    const header = {
      sequence: sequence >>> 0,
      acknowledgment: this.#expected,
      flags,
      window: Math.min(0xffff, (flags & TcpFlag.syn) !== 0 ? WINDOW : this.window >>> SHIFT),
      options: extra,
    };
    const between = { source: this.#guest.address, destination: this.#destination };
    writeTcp(bytes, 0, ports, header, between);
    this.#guest.sendIpv4(this.#destination, IpProtocol.tcp, bytes);
  }

  #receive(segment: TcpSegment): void {
    if ((segment.flags & TcpFlag.rst) !== 0) {
      this.#failed = true;
    } else if ((segment.flags & TcpFlag.syn) !== 0) {
      this.#expected = (segment.sequence + 1) >>> 0;
      this.#peerShift = parseTcpOptions(segment.options).windowScale ?? 0;
      this.peerWindow = segment.window;
      this.#connected = true;
      this.#acknowledge();
    } else {
      this.#receiveAcknowledgment(segment);
      this.#receiveData(segment);
      this.#pump();
    }
    this.#wake();
  }

  #receiveAcknowledgment(segment: TcpSegment): void {
    this.peerWindow = segment.window << this.#peerShift;
    const advanced = (segment.acknowledgment - (this.#start + 1 + this.#acknowledged)) | 0;
    if (advanced > 0) {
      this.#acknowledged += advanced;
      this.#sent = Math.max(this.#sent, this.#acknowledged);
      this.#duplicates = 0;
      this.#progressMs = performance.now();
    } else if (advanced === 0 && segment.payload.length === 0 && this.#sent > this.#acknowledged) {
      this.#duplicates += 1;
      if (this.#duplicates === 3) this.#sent = this.#acknowledged;
    }
  }

  #receiveData(segment: TcpSegment): void {
    const fin = (segment.flags & TcpFlag.fin) !== 0;
    if (segment.payload.length === 0 && !fin) return;
    if (this.window > 0) this.#early.set(segment.sequence, segment);
    for (let next = this.#early.get(this.#expected); next; next = this.#early.get(this.#expected)) {
      this.#early.delete(this.#expected);
      this.#expected = (this.#expected + next.payload.length) >>> 0;
      this.receivedBytes += next.payload.length;
      this.#onData(next.payload);
      if ((next.flags & TcpFlag.fin) === 0) continue;
      this.#expected = (this.#expected + 1) >>> 0;
      this.#peerFinished = true;
      break;
    }
    this.#dropOld();
    this.#acknowledge();
  }

  /** Cuts what was received already off early segments, which a retransmission may overlap. */
  #dropOld(): void {
    for (const [sequence, segment] of this.#early) {
      const old = (this.#expected - sequence) | 0;
      if (old <= 0) continue;
      this.#early.delete(sequence);
      if (old >= segment.payload.length && (segment.flags & TcpFlag.fin) === 0) continue;
      if (this.#peerFinished) continue;
      this.#early.set(this.#expected, {
        ...segment,
        sequence: this.#expected,
        payload: segment.payload.subarray(old),
      });
    }
  }

  #pump(): void {
    if (!this.#connected || this.#failed) return;
    const limit = this.#acknowledged + Math.min(this.peerWindow, MAX_IN_FLIGHT);
    while (this.#sent < Math.min(this.#outgoing.length, limit)) {
      const size = Math.min(MSS, this.#outgoing.length - this.#sent, limit - this.#sent);
      const payload = this.#outgoing.subarray(this.#sent, this.#sent + size);
      this.sendSegment(TcpFlag.ack, this.#start + 1 + this.#sent, payload);
      this.#sent += size;
    }
    if (this.#finAt === this.#sent) {
      this.sendSegment(TcpFlag.ack | TcpFlag.fin, this.#start + 1 + this.#sent);
      this.#sent += 1;
    }
  }

  #acknowledge(): void {
    this.sendSegment(TcpFlag.ack, this.#start + 1 + this.#sent);
  }

  #sendSyn(): void {
    const options = buildSynOptions({ mss: MSS, windowScale: SHIFT, sackPermitted: true });
    this.sendSegment(TcpFlag.syn, this.#start, undefined, options);
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#progressMs > RETRY_MS && !this.#failed) {
      this.#progressMs = nowMs;
      if (!this.#connected) this.#sendSyn();
      else if (this.#sent > this.#acknowledged) this.#sent = this.#acknowledged;
    }
    this.#pump();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const check of waiting) check();
  }
}
