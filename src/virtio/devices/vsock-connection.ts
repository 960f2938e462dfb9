/** One connection of the socket device: its states, and credit in both directions (virtio 5.10.6). */
import type { DescriptorChain } from "../chain.ts";
import { Fifo } from "./fifo.ts";
import { VsockBuffer } from "./vsock-buffer.ts";
import {
  SEQ_EOM,
  VSOCK_HEADER_SIZE,
  VSOCK_PACKET_MAX,
  type VsockHeader,
  VsockOp,
  VsockShutdown,
  VsockType,
} from "./vsock-packet.ts";

/** Who uses a connection on the host. Nothing is called from inside a call of the connection. */
export interface VsockHandler {
  /** The guest has accepted a connection that the host opened. */
  connected?(): void;
  /** `read` has something more to give, or has come to the end. */
  readable(): void;
  /** `send` takes more after it had said that it is full. */
  writable(): void;
  /**
   * The connection is over; with a reason if it was cut. What came before an orderly end can still
   * be read.
   */
  closed(reason: string | undefined): void;
}

/** What a connection needs of its device. */
export interface VsockWire {
  /** The connection may have a packet to send. */
  schedule(connection: VsockConnection): void;
  /** The host has given the connection up: it is off the wire and the guest is told by RST. */
  cut(connection: VsockConnection): void;
}

/**
 * Bytes that the guest may send ahead of the host's reading (`buf_alloc`); also the longest message.
 * Linux has the same by default.
 */
export const VSOCK_RECEIVE_MAX = 256 * 1024;

/** Bytes of the host waiting for the guest's credit at which `send` says that it is full. */
export const VSOCK_SEND_MAX = 256 * 1024;

/** The guest is told of so many bytes read, early enough that it need not stop. */
const CREDIT_STEP = VSOCK_RECEIVE_MAX / 4;

type ConnectionState = "requested" | "accepting" | "established" | "closed";

export class VsockConnection {
  readonly type: VsockType;
  readonly hostPort: number;
  readonly guestPort: number;
  /** In the device's round of those that have something to send. */
  scheduled = false;
  handler: VsockHandler | undefined;
  readonly #wire: VsockWire;
  readonly #origin: "requested" | "accepting";
  #state: ConnectionState;
  /** The request, or the answer to one, has still to be sent. */
  #handshake = true;

  readonly #received = new VsockBuffer();
  /** Bytes received, and of them read by the host: both count modulo 2^32. */
  #receivedCount = 0;
  #forwardedCount = 0;
  /** What of it the guest knows. */
  #toldCount = 0;
  #updateWanted = false;

  readonly #unsent = new Fifo<Uint8Array>();
  #unsentLength = 0;
  /** Sent bytes of the first of them. */
  #unsentOffset = 0;
  #sentCount = 0;
  #peerBufAlloc = 0;
  #peerFwdCnt = 0;
  #creditAsked = false;
  #full = false;

  /** What the guest will do no more, what the host will do no more, and what of it was said. */
  #peerShutdown = 0;
  #ownShutdown = 0;
  #saidShutdown = 0;

  constructor(
    wire: VsockWire,
    type: VsockType,
    ports: { readonly host: number; readonly guest: number },
    origin: "requested" | "accepting",
  ) {
    this.#wire = wire;
    this.type = type;
    this.hostPort = ports.host;
    this.guestPort = ports.guest;
    this.#origin = origin;
    this.#state = origin;
  }

  /** Off the wire: whatever is sent goes nowhere. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Closed by the host, and only the guest's answer is missing. */
  get isClosing(): boolean {
    return this.#saidShutdown === VsockShutdown.BOTH;
  }

  /** The guest sends no more, and everything was read. */
  get ended(): boolean {
    const isLast = this.isClosed || (this.#peerShutdown & VsockShutdown.SEND) !== 0;
    return isLast && this.#received.length === 0 && this.#received.messages === 0;
  }

  /** False once either side has said that nothing more goes to the guest. */
  get canSend(): boolean {
    const isUnread = (this.#peerShutdown & VsockShutdown.RECEIVE) !== 0;
    return !this.isClosed && !isUnread && (this.#ownShutdown & VsockShutdown.SEND) === 0;
  }

  /**
   * The next bytes from the guest, or its next whole message, or undefined if there is none yet.
   * Reading is what lets the guest send more. The array and its buffer are the caller's.
   */
  read(): Uint8Array<ArrayBuffer> | undefined {
    const isStream = this.type === VsockType.STREAM;
    const bytes = isStream ? this.#received.read() : this.#received.readMessage();
    if (bytes !== undefined) this.#forward(bytes.length);
    return bytes;
  }

  /**
   * Sends bytes, or a message, as the guest gives credit; the bytes must not change afterwards.
   * False means: taken, but wait for `writable` before sending more. Dropped if not `canSend`. A
   * message longer than the guest's whole buffer cuts the connection.
   */
  send(bytes: Uint8Array): boolean {
    if (!this.canSend) return true;
    if (bytes.length === 0 && this.type === VsockType.STREAM) return !this.#full;
    this.#unsent.push(bytes);
    this.#unsentLength += bytes.length;
    this.#wire.schedule(this);
    this.#full = this.#unsentLength >= VSOCK_SEND_MAX;
    return !this.#full;
  }

  /** The host sends no more; the guest reads to the end of what was sent. */
  end(): void {
    this.#ownShutdown |= VsockShutdown.SEND;
    this.#wire.schedule(this);
  }

  /** Ends the connection after all that was sent; nothing is read any more. */
  close(): void {
    this.#ownShutdown = VsockShutdown.BOTH;
    this.#discard();
    this.#wire.schedule(this);
  }

  /** Cuts the connection; `closed` is not called. */
  reset(): void {
    if (this.isClosed) return;
    this.#leave();
    this.#wire.cut(this);
  }

  /** For the device: whether the guest has heard of the connection. */
  get isKnown(): boolean {
    return this.#origin === "accepting" || !this.#handshake;
  }

  /** For the device: the guest's request for the connection. */
  receiveRequest({ bufAlloc, fwdCnt }: VsockHeader): void {
    this.#peerBufAlloc = bufAlloc;
    this.#peerFwdCnt = fwdCnt;
  }

  /** For the device: the connection was cut by something else. */
  abort(reason: string): void {
    // An answer to a close is no cut, in whatever form it comes.
    const isExpected = this.isClosing;
    this.#leave();
    this.handler?.closed(isExpected ? undefined : reason);
  }

  /** For the device: a packet of the guest; returns what is wrong with it. */
  receive(header: VsockHeader, chain: DescriptorChain): string | undefined {
    this.#peerBufAlloc = header.bufAlloc;
    this.#peerFwdCnt = header.fwdCnt;
    // Not asked again before there was some: a guest that has none answers at once, and would for ever.
    if (this.#credit > 0) this.#creditAsked = false;
    if (header.op === VsockOp.RESPONSE) return this.#accepted();
    if (this.#state !== "established") return `op ${header.op} on no connection`;
    switch (header.op) {
      case VsockOp.RW:
        return this.#receiveData(header, chain);
      case VsockOp.SHUTDOWN:
        this.#peerShuts(header.flags & VsockShutdown.BOTH);
        return undefined;
      case VsockOp.CREDIT_UPDATE:
        return undefined;
      case VsockOp.CREDIT_REQUEST:
        this.#updateWanted = true;
        return undefined;
      default:
        return `op ${header.op} on a connection`;
    }
  }

  /** For the device: whether `write` has a packet to write. */
  get wants(): boolean {
    if (this.isClosed) return false;
    if (this.#handshake) return true;
    if (this.#state !== "established") return false;
    return this.#updateWanted || this.#wantsData() || this.#shutdownDue !== 0;
  }

  /** For the device, if `wants`: writes the next packet, with up to `capacity` bytes of data. */
  write(header: VsockHeader, chain: DescriptorChain, capacity: number): void {
    header.length = 0;
    header.flags = 0;
    header.op = this.#nextOp();
    if (header.op === VsockOp.RW) this.#writeData(header, chain, capacity);
    else if (header.op === VsockOp.SHUTDOWN) header.flags = this.#saidShutdown = this.#ownShutdown;
    header.bufAlloc = VSOCK_RECEIVE_MAX;
    header.fwdCnt = this.#forwardedCount >>> 0;
    this.#toldCount = this.#forwardedCount;
    this.#updateWanted = false;
  }

  /** For the device, after `write`: calls back a sender that waits. */
  written(): void {
    if (!this.#full || this.#unsentLength > VSOCK_SEND_MAX / 2) return;
    this.#full = false;
    this.handler?.writable();
  }

  /** How many bytes the guest has room for. */
  get #credit(): number {
    const inFlight = (this.#sentCount - this.#peerFwdCnt) >>> 0;
    return Math.max(0, this.#peerBufAlloc - inFlight);
  }

  /** What the guest has not been told yet; only after everything that was sent. */
  get #shutdownDue(): number {
    return this.#unsent.length === 0 ? this.#ownShutdown & ~this.#saidShutdown : 0;
  }

  /** Data that may go, or a question for credit. */
  #wantsData(): boolean {
    const first = this.#unsent.first;
    if (first === undefined) return false;
    return this.#mayGo(first) || !this.#creditAsked;
  }

  #mayGo(first: Uint8Array): boolean {
    return this.#credit > 0 || first.length === 0 || this.#isTooLong(first);
  }

  /** A message that the guest could never have whole, and so would wait for for ever. */
  #isTooLong(message: Uint8Array): boolean {
    const isWhole = this.type === VsockType.SEQPACKET && this.#unsentOffset === 0;
    return isWhole && message.length > this.#peerBufAlloc;
  }

  #nextOp(): number {
    if (this.#handshake) {
      this.#handshake = false;
      if (this.#state === "requested") return VsockOp.REQUEST;
      this.#state = "established";
      return VsockOp.RESPONSE;
    }
    const first = this.#unsent.first;
    if (first !== undefined && this.#mayGo(first)) {
      return this.#isTooLong(first) ? this.#giveUp() : VsockOp.RW;
    }
    if (first !== undefined && !this.#creditAsked) {
      this.#creditAsked = true;
      return VsockOp.CREDIT_REQUEST;
    }
    return this.#shutdownDue !== 0 ? VsockOp.SHUTDOWN : VsockOp.CREDIT_UPDATE;
  }

  #giveUp(): number {
    this.#leave();
    this.handler?.closed("the message is longer than the guest's buffer");
    return VsockOp.RST;
  }

  #writeData(header: VsockHeader, chain: DescriptorChain, capacity: number): void {
    const limit = Math.min(capacity, this.#credit, VSOCK_PACKET_MAX);
    let at = 0;
    for (let first = this.#unsent.first; first !== undefined; first = this.#unsent.first) {
      const count = Math.min(first.length - this.#unsentOffset, limit - at);
      const part = first.subarray(this.#unsentOffset, this.#unsentOffset + count);
      chain.writeAt(VSOCK_HEADER_SIZE + at, part);
      at += count;
      this.#unsentOffset += count;
      if (this.#unsentOffset < first.length) break;
      this.#unsent.shift();
      this.#unsentOffset = 0;
      if (this.type === VsockType.SEQPACKET) {
        header.flags = SEQ_EOM;
        break;
      }
    }
    header.length = at;
    this.#unsentLength -= at;
    this.#sentCount += at;
  }

  #accepted(): string | undefined {
    if (this.#state !== "requested" || this.#handshake) return "an answer to no request";
    this.#state = "established";
    this.handler?.connected?.();
    return undefined;
  }

  #receiveData(header: VsockHeader, chain: DescriptorChain): string | undefined {
    if ((this.#peerShutdown & VsockShutdown.SEND) !== 0) return "data after the end";
    this.#receivedCount += header.length;
    if (this.#receivedCount - this.#toldCount > VSOCK_RECEIVE_MAX) return "more than its credit";
    if ((this.#ownShutdown & VsockShutdown.RECEIVE) !== 0) {
      this.#forward(header.length);
      return undefined;
    }
    this.#received.append(chain, VSOCK_HEADER_SIZE, header.length);
    if (this.#isCreditDue()) this.#updateWanted = true;
    if (this.type === VsockType.SEQPACKET) {
      if ((header.flags & SEQ_EOM) === 0) return undefined;
      // Only of empty messages can there be more than bytes.
      if (this.#received.messages >= VSOCK_RECEIVE_MAX) return "too many messages";
      this.#received.endMessage();
    }
    this.handler?.readable();
    return undefined;
  }

  #peerShuts(flags: number): void {
    this.#peerShutdown |= flags;
    if ((flags & VsockShutdown.RECEIVE) !== 0) {
      this.#dropUnsent();
      this.written();
    }
    if (this.#peerShutdown === VsockShutdown.BOTH) {
      this.#state = "closed";
      this.handler?.closed(undefined);
    } else if ((flags & VsockShutdown.SEND) !== 0) {
      this.handler?.readable();
    }
  }

  #forward(length: number): void {
    this.#forwardedCount += length;
    if (!this.#isCreditDue()) return;
    this.#updateWanted = true;
    this.#wire.schedule(this);
  }

  /**
   * Whether the guest should learn what was read: a good deal of it, or anything if the guest has
   * little credit. It may be in the middle of a message, which cannot be read before it is whole.
   */
  #isCreditDue(): boolean {
    const untold = this.#forwardedCount - this.#toldCount;
    const left = VSOCK_RECEIVE_MAX - (this.#receivedCount - this.#toldCount);
    return untold >= CREDIT_STEP || (untold > 0 && left < CREDIT_STEP);
  }

  #leave(): void {
    this.#state = "closed";
    this.#dropUnsent();
    this.#received.clear();
  }

  #dropUnsent(): void {
    this.#unsent.clear();
    this.#unsentLength = 0;
    this.#unsentOffset = 0;
  }

  /** The guest gets its credit back for what nobody will read. */
  #discard(): void {
    const { length } = this.#received;
    this.#received.clear();
    this.#forward(length);
  }
}
