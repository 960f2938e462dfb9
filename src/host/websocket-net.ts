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
}

/** The first wait before connecting again, in ms; it doubles from there. */
export const FIRST_RETRY_MS = 500;

/** The longest wait, in ms: a relay that comes back is found within half a minute. */
export const LAST_RETRY_MS = 30_000;

/** Bytes on the way to the network at which frames are dropped, as a full wire does. */
export const MAX_BUFFERED_BYTES = 1 << 20;

/** The longest frame taken from the relay: 64 KiB of segment-offload data and its headers. */
export const MAX_FRAME_BYTES = 65_536 + 64;

export class WebSocketNet {
  readonly #options: WebSocketNetOptions;
  #socket: Socket | undefined;
  #isUp = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: WebSocketNetOptions) {
    this.#options = options;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Sends one frame, copied; false if it was dropped because the link is down or full. */
  send(frame: Uint8Array): boolean {
    if (!this.#isUp || this.#socket!.bufferedAmount > MAX_BUFFERED_BYTES) return false;
    // Browsers refuse shared memory here, and the guest may reuse its buffer at once.
    this.#socket!.send(new Uint8Array(frame));
    return true;
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
    this.#socket?.close();
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
