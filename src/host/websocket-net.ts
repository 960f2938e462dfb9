/** An Ethernet link over a WebSocket: one frame per binary message, reconnecting for ever. */

/** The part of `WebSocket` that is used. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onclose: ((event: { reason: string }) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface WebSocketNetOptions {
  readonly url: string;
  /** @throws if the address is not one of a WebSocket. */
  readonly connect: (url: string) => Socket;
  /** A number in [0, 1) for each wait, so that tabs do not come back all at once. */
  readonly random: () => number;
  readonly onFrame: (frame: Uint8Array) => void;
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

/** The longest frame taken from the relay: 64 KiB of segment-offload data and its headers. */
export const MAX_FRAME_BYTES = 65_536 + 64;

export class WebSocketNet {
  readonly #options: WebSocketNetOptions;
  #socket: Socket | undefined;
  #isUp = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #drainCheck: ReturnType<typeof setInterval> | undefined;

  constructor(options: WebSocketNetOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /**
   * Sends one frame, which must not be in shared memory. False means: taken, but wait for `onDrain`.
   * Without a link the frame is lost, as on a cable that is not plugged in.
   */
  send(frame: Uint8Array<ArrayBuffer>): boolean {
    const socket = this.#socket;
    if (!this.#isUp || socket === undefined) return true;
    socket.send(frame);
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
    this.#socket?.close();
  }

  #waitForDrain(socket: Socket): void {
    clearInterval(this.#drainCheck);
    this.#drainCheck = setInterval(() => {
      // A socket that is gone has room for everything.
      if (this.#socket === socket && socket.bufferedAmount >= MAX_BUFFERED_BYTES / 2) return;
      clearInterval(this.#drainCheck);
      this.#options.onDrain();
    }, DRAIN_CHECK_MS);
  }

  #connect(): void {
    let socket: Socket;
    try {
      socket = this.#options.connect(this.#options.url);
    } catch {
      // No later try can succeed: the address itself is wrong.
      this.#options.onLink(false, `${this.#options.url} is not the address of a relay`);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#isUp = true;
      this.#options.onLink(true, "");
    };
    socket.onmessage = ({ data }) => {
      // Not on open: a relay that accepts and at once hangs up must not be asked twice a second.
      this.#failures = 0;
      if (!(data instanceof ArrayBuffer) || data.byteLength > MAX_FRAME_BYTES) return;
      this.#options.onFrame(new Uint8Array(data));
    };
    // A socket that never opened also closes; its error event says nothing more.
    socket.onclose = ({ reason }) => this.#lost(reason);
  }

  #lost(reason: string): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#socket = undefined;
    if (this.#isClosed) return;
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
