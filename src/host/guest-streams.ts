/**
 * Sockets and console ports of the guest as pairs of streams, with the back-pressure of both ends.
 *
 * Reading slowly makes the guest wait, and writing waits for the guest.
 */
import type { ConsoleDevice } from "../virtio/devices/console.ts";
import type { ConsoleBackend, ConsolePort } from "../virtio/devices/console-port.ts";
import type { VsockDevice } from "../virtio/devices/vsock.ts";
import type { VsockConnection, VsockHandler } from "../virtio/devices/vsock-connection.ts";
import type { VsockType } from "../virtio/devices/vsock-packet.ts";

export interface GuestStream {
  /** Bytes as they come, or one message after the other. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What is written must not change afterwards. */
  readonly writable: WritableStream<Uint8Array>;
}

type Reader = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/** Bytes of a port's output that wait for a reader before the guest has to. */
const PORT_OUTPUT_MAX = 256 * 1024;

/** A connection on its way: what is written before the guest has answered waits. */
export interface GuestCall extends GuestStream {
  /** Rejects if the guest refuses, or resets its device first. */
  readonly opened: Promise<void>;
}

/** Connects to a port of the guest. @throws Error as `VsockDevice.connect`. */
export function connectVsock(device: VsockDevice, port: number, type: VsockType): GuestCall {
  const stream = new VsockStream();
  stream.connection = device.connect(port, type, stream);
  return { ...stream.streams, opened: stream.opened };
}

/**
 * Calls back for every connection that the guest opens to a port of the host; the returned function
 * ends that. @throws RangeError if somebody listens there already.
 */
export function listenVsock(
  device: VsockDevice,
  port: number,
  type: VsockType,
  onStream: (stream: GuestStream) => void,
): () => void {
  return device.listen(port, type, (connection) => {
    const stream = new VsockStream();
    stream.connection = connection;
    onStream(stream.streams);
    return stream;
  });
}

/** Both directions of one connection. */
class VsockStream implements VsockHandler {
  readonly streams: GuestStream;
  /** Settled by the guest's answer. */
  readonly opened: Promise<void>;
  connection!: VsockConnection;
  #reader!: Reader;
  #writer!: WritableStreamDefaultController;
  /** Calls back whoever waits for something to read, for room, or for the guest's answer. */
  #wanted: (() => void) | undefined;
  #room: (() => void) | undefined;
  #open: () => void = () => {};
  #refuse: (error: Error) => void = () => {};
  #hasEnded = false;
  #hasWritten = false;

  constructor() {
    this.opened = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#refuse = reject;
    });
    // Nobody waits for the answer to a connection that the guest has opened.
    this.opened.catch(() => {});
    const readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.connection.reset(),
      },
      { highWaterMark: 0 },
    );
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#writer = controller;
      },
      write: (bytes) => this.#write(bytes),
      close: () => {
        this.connection.end();
        this.#hasWritten = true;
        this.#finish();
      },
      abort: () => this.connection.reset(),
    });
    this.streams = { readable, writable };
  }

  connected(): void {
    this.#open();
  }

  readable(): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }

  writable(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.();
  }

  closed(reason: string | undefined): void {
    if (reason !== undefined) {
      const error = new Error(reason);
      this.#refuse(error);
      this.#reader.error(error);
      this.#writer.error(error);
    }
    this.readable();
    this.writable();
  }

  async #pull(): Promise<void> {
    for (;;) {
      const bytes = this.connection.read();
      if (bytes !== undefined) {
        this.#reader.enqueue(bytes);
        return;
      }
      if (this.connection.ended) {
        this.#reader.close();
        this.#hasEnded = true;
        this.#finish();
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (!this.connection.canSend) throw new Error("the guest reads no more");
    if (this.connection.send(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#room = resolve;
    });
  }

  /** When both have said their last the connection can go. */
  #finish(): void {
    if (this.#hasEnded && this.#hasWritten) this.connection.close();
  }
}

/** A named port of the console, which one after the other may have open. */
export class PortStreams implements ConsoleBackend {
  readonly #port: ConsolePort;
  #reader: Reader | undefined;

  /** Adds the port. @throws RangeError if it cannot be, see `ConsoleDevice.addPort`. */
  constructor(device: ConsoleDevice, name: string) {
    this.#port = device.addPort(name, this);
  }

  get isOpen(): boolean {
    return this.#reader !== undefined;
  }

  /**
   * Opens the host's side; what the guest writes while nobody has it open is lost. Closing the
   * writer gives the guest an end of file and ends the reader. @throws Error if it is open.
   */
  open(): GuestStream {
    if (this.isOpen) throw new Error(`port “${this.#port.name}” is open already`);
    const readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        // Not now: this may be called from inside the guest's write.
        pull: () => queueMicrotask(() => this.#port.drain()),
        cancel: () => this.#close(),
      },
      { highWaterMark: PORT_OUTPUT_MAX, size: (bytes) => bytes.length },
    );
    const writable = new WritableStream<Uint8Array>({
      write: (bytes) => this.#write(bytes, this.#reader),
      close: () => {
        this.#reader?.close();
        this.#close();
      },
      abort: (reason) => {
        this.#reader?.error(reason);
        this.#close();
      },
    });
    this.#port.open();
    return { readable, writable };
  }

  /** For the port: output of the guest. */
  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    this.#reader?.enqueue(bytes);
    return (this.#reader?.desiredSize ?? 1) > 0;
  }

  async #write(bytes: Uint8Array, reader: Reader | undefined): Promise<void> {
    for (let sent = 0; ; ) {
      if (this.#reader !== reader) throw new Error("the port was closed");
      sent += this.#port.input(bytes.subarray(sent));
      if (sent === bytes.length) return;
      await new Promise<void>((resolve) => {
        this.#port.onInputSpace = resolve;
      });
    }
  }

  #close(): void {
    this.#reader = undefined;
    this.#port.close();
    this.#port.onInputSpace?.();
  }
}
