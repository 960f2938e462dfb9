/**
 * An Ethernet link over a WebSocket, reconnecting for ever: one packet with its offloads per binary
 * message where the relay knows that subprotocol, else one plain frame.
 */
import { LARGE_FRAME_MAX, PACKET_HEADER, PACKET_PROTOCOL } from "../packet/header.ts";

/** The part of `WebSocket` that is used. */
export interface Socket {
  binaryType: string;
  /** The subprotocol agreed on, or "". */
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onclose: ((event: { reason: string }) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** @throws if the address is not one of a WebSocket. */
export type Connect = (url: string, protocols: string[]) => Socket;

export interface WebSocketNetOptions {
  readonly url: string;
  readonly connect: Connect;
  /** A number in [0, 1) for each wait, so that tabs do not come back all at once. */
  readonly random: () => number;
  readonly onFrame: (frame: Uint8Array<ArrayBuffer>) => void;
  readonly onPacket: (packet: Uint8Array<ArrayBuffer>) => void;
  /** The link went up, or down with a reason to show. */
  readonly onLink: (up: boolean, reason: string) => void;
  /** After `send` gave false: there is room again. */
  readonly onDrain: () => void;
}

/** The first wait before connecting again, in ms; it doubles from there. */
export const FIRST_RETRY_MS = 500;

/** The longest wait, in ms: a relay that comes back is found within half a minute. */
export const LAST_RETRY_MS = 30_000;

/** Bytes on the way to the network at which the guest has to wait; 1 MiB is 10 ms of Gigabit. */
export const MAX_BUFFERED_BYTES = 1 << 20;

/** How often a full socket is looked at, in ms: no event tells that it has drained. */
export const DRAIN_CHECK_MS = 2;

/** Looks at a full socket of which nothing has gone out, until its peer is taken for gone: 20 s. */
export const MAX_STALLED_CHECKS = 10_000;

/**
 * How often it is asked whether the relay has said anything, in ms. A relay of packets does so every
 * 25 s; one that has vanished without a word is noticed at the second look.
 */
export const SILENCE_CHECK_MS = 30_000;
const MAX_SILENT_CHECKS = 2;

/** The longest message taken from the relay. */
export const MAX_MESSAGE_BYTES = PACKET_HEADER + LARGE_FRAME_MAX;

export class WebSocketNet {
  readonly #options: WebSocketNetOptions;
  #socket: Socket | undefined;
  #isUp = false;
  #takesPackets = false;
  /** Whether the next connection asks for the subprotocol. */
  #asksForPackets = true;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #drainCheck: ReturnType<typeof setInterval> | undefined;
  #silenceCheck: ReturnType<typeof setInterval> | undefined;
  #silentChecks = 0;

  constructor(options: WebSocketNetOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether `send` takes packets with a header, now. */
  get takesPackets(): boolean {
    return this.#takesPackets;
  }

  /**
   * Sends one frame, or one packet, which must not be in shared memory. False means: taken, but wait
   * for `onDrain`. Without a link it is lost, as on a cable that is not plugged in.
   */
  send(bytes: Uint8Array<ArrayBuffer>): boolean {
    const socket = this.#socket;
    if (!this.#isUp || socket === undefined) return true;
    socket.send(bytes);
    if (socket.bufferedAmount < MAX_BUFFERED_BYTES) return true;
    this.#waitForDrain(socket);
    return false;
  }

  /** Connects at once instead of after the current wait, as when the browser is online again. */
  retryNow(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#connect();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#drainCheck);
    clearInterval(this.#silenceCheck);
    this.#socket?.close();
  }

  #waitForDrain(socket: Socket): void {
    clearInterval(this.#drainCheck);
    let last = socket.bufferedAmount;
    let stalled = 0;
    this.#drainCheck = setInterval(() => {
      // A socket that is gone has room for everything.
      const amount = this.#socket === socket ? socket.bufferedAmount : 0;
      if (amount < MAX_BUFFERED_BYTES / 2) {
        clearInterval(this.#drainCheck);
        this.#options.onDrain();
        return;
      }
      stalled = amount < last ? 0 : stalled + 1;
      last = amount;
      if (stalled >= MAX_STALLED_CHECKS) this.#abandon(socket, "the relay takes nothing");
    }, DRAIN_CHECK_MS);
  }

  #connect(): void {
    let socket: Socket;
    try {
      const protocols = this.#asksForPackets ? [PACKET_PROTOCOL] : [];
      socket = this.#options.connect(this.#options.url, protocols);
    } catch {
      // No later try can succeed: the address itself is wrong.
      this.#options.onLink(false, `${this.#options.url} is not the address of a relay`);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = ({ data }) => this.#received(data);
    // A socket that never opened also closes; its error event says nothing more.
    socket.onclose = ({ reason }) => this.#lost(reason);
  }

  #opened(socket: Socket): void {
    this.#isUp = true;
    this.#takesPackets = socket.protocol === PACKET_PROTOCOL;
    if (this.#takesPackets) this.#listenForSilence(socket);
    this.#options.onLink(true, "");
  }

  #received(data: unknown): void {
    // Not on open: a relay that accepts and at once hangs up must not be asked twice a second.
    this.#failures = 0;
    this.#silentChecks = 0;
    if (!(data instanceof ArrayBuffer) || data.byteLength > MAX_MESSAGE_BYTES) return;
    if (this.#takesPackets) this.#options.onPacket(new Uint8Array(data));
    else this.#options.onFrame(new Uint8Array(data));
  }

  #listenForSilence(socket: Socket): void {
    this.#silentChecks = 0;
    clearInterval(this.#silenceCheck);
    this.#silenceCheck = setInterval(() => {
      this.#silentChecks++;
      if (this.#silentChecks >= MAX_SILENT_CHECKS) this.#abandon(socket, "the relay fell silent");
    }, SILENCE_CHECK_MS);
  }

  /** Closing would wait for an answer that does not come. */
  #abandon(socket: Socket, reason: string): void {
    if (this.#socket !== socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    this.#lost(reason);
  }

  #lost(reason: string): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#takesPackets = false;
    this.#socket = undefined;
    clearInterval(this.#silenceCheck);
    if (this.#isClosed) return;
    if (!wasUp) {
      // A relay that does not know the subprotocol may only be reached without asking for it.
      this.#asksForPackets = !this.#asksForPackets;
      if (!this.#asksForPackets) {
        this.#connect();
        return;
      }
    }
    const fallback = wasUp ? "the relay hung up" : "no relay answers";
    this.#options.onLink(false, reason === "" ? fallback : reason);
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures++;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#connect();
      },
      wait * (0.5 + this.#options.random() / 2),
    );
  }
}
