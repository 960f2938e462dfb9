/**
 * A pair of streams on either side of a `MessagePort`: what is written on one side is read on the
 * other, message by message, and a slow reader makes the writer wait. Both the page and the Worker
 * use this.
 */

type Message =
  /** The other side is there: for a connection, accepted by the guest. */
  | { readonly type: "open" }
  | { readonly type: "data"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** So many bytes, of one message, have been read. */
  | { readonly type: "taken"; readonly bytes: number }
  | { readonly type: "end" }
  /** Both directions are over. */
  | { readonly type: "failed"; readonly reason: string };

/** Bytes and messages on their way before the writer waits. */
const WINDOW_BYTES = 256 * 1024;
const WINDOW_MESSAGES = 64;

export class MessageStreams {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the other side has called `open`; rejects if it has failed before. */
  readonly opened: Promise<void>;
  readonly #port: MessagePort;
  #reader!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #writer!: WritableStreamDefaultController;
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  #hasEnded = false;
  #isBroken = false;
  #wanted: (() => void) | undefined;
  #room: (() => void) | undefined;
  #bytesOut = 0;
  #messagesOut = 0;
  #opening: { readonly resolve: () => void; readonly reject: (error: Error) => void };

  constructor(port: MessagePort) {
    this.#port = port;
    this.#opening = { resolve: () => {}, reject: () => {} };
    this.opened = new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
    });
    // Not everyone asks.
    this.opened.catch(() => {});
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => this.fail(reason),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream({
      start: (controller) => {
        this.#writer = controller;
      },
      write: (bytes) => this.#write(bytes),
      close: () => this.#post({ type: "end" }),
      abort: (reason) => this.fail(reason),
    });
    port.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
  }

  /** Tells the other side that this one is there. */
  open(): void {
    this.#post({ type: "open" });
  }

  /** Ends both directions with a reason that the other side gets. */
  fail(reason: unknown): void {
    this.#post({ type: "failed", reason: reason instanceof Error ? reason.message : `${reason}` });
    this.#break(reason);
  }

  get #isFull(): boolean {
    return this.#bytesOut >= WINDOW_BYTES || this.#messagesOut >= WINDOW_MESSAGES;
  }

  #post(message: Message, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #receive(message: Message): void {
    switch (message.type) {
      case "open":
        this.#opening.resolve();
        break;
      case "data":
        this.#waiting.push(message.bytes);
        this.#wake();
        break;
      case "end":
        this.#hasEnded = true;
        this.#wake();
        break;
      case "taken":
        this.#bytesOut -= message.bytes;
        this.#messagesOut -= 1;
        this.#room?.();
        break;
      case "failed":
        this.#break(new Error(message.reason));
    }
  }

  #wake(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  #break(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#opening.reject(error instanceof Error ? error : new Error(`${error}`));
    this.#reader.error(error);
    this.#writer.error(error);
    this.#wake();
    this.#room?.();
    this.#port.close();
  }

  async #pull(): Promise<void> {
    while (this.#waiting.length === 0 && !this.#hasEnded && !this.#isBroken) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    if (this.#isBroken) return;
    const bytes = this.#waiting.shift();
    if (bytes === undefined) {
      this.#reader.close();
      return;
    }
    this.#reader.enqueue(bytes);
    this.#post({ type: "taken", bytes: bytes.length });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    // A message takes its buffer along: not one that the writer may still need, or that is larger.
    const copy = bytes.slice();
    this.#bytesOut += copy.length;
    this.#messagesOut += 1;
    this.#post({ type: "data", bytes: copy }, [copy.buffer]);
    while (this.#isFull && !this.#isBroken) {
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
  }
}
