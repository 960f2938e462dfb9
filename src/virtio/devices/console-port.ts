/** One port of a console: bytes both ways with flow control, and who has it open (virtio 5.3). */
import { ChainWriter, type DescriptorChain } from "../chain.ts";
import type { State } from "../device.ts";
import { drain, type Virtqueue } from "../queue.ts";
import { ByteQueue } from "./byte-queue.ts";

/** Where the guest's output goes. */
export interface ConsoleBackend {
  /**
   * Takes all of `bytes`, a copy that it may keep. False means: taken, but full; the device then
   * holds further output back in the guest until `drain` is called, later and not from here.
   */
  write(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** The guest has opened its side, or closed it after everything it wrote. */
  guestOpened?(open: boolean): void;
}

/** Input waiting for the guest: large enough for any burst of typing, small enough to flow-control. */
export const CONSOLE_INPUT_MAX = 64 * 1024;

/** Output copied to the host at once; a longer chain is sent in pieces of this size. */
const CONSOLE_WRITE_MAX = 64 * 1024;

/**
 * Output of one chain. Drivers send pages; a chain may claim 4 GiB by naming the same page many
 * times, and copying that would stop the machine for seconds. What lies beyond is dropped.
 */
export const CONSOLE_CHAIN_MAX = 1024 * 1024;

/** The queues of a port while a driver uses it. */
interface PortQueues {
  readonly rx: Virtqueue;
  readonly tx: Virtqueue;
}

export class ConsolePort {
  /** `struct virtio_console_control.id`. */
  readonly id: number;
  /** Undefined for the console itself. */
  readonly name: string | undefined;
  /** Called when `input` had to refuse bytes and has space again. */
  onInputSpace: (() => void) | undefined;
  readonly counters = { inputBytes: 0, outputBytes: 0, droppedBytes: 0 };
  readonly #backend: ConsoleBackend;
  readonly #announce: (open: boolean) => void;
  readonly #input = new ByteQueue(CONSOLE_INPUT_MAX);
  #inputRefused = false;
  #queues: PortQueues | undefined;
  #full = false;
  #hostOpen: boolean;
  /** The host has closed, and the guest has not yet taken all input from before. */
  #closing = false;
  #reopen = false;
  #guestOpen = false;
  /** What the backend was told last, and whether the guest has closed since. */
  #toldOpen = false;
  #closedSince = false;

  /** @param announce tells the driver whether the host has the port open. */
  constructor(
    id: number,
    name: string | undefined,
    backend: ConsoleBackend,
    announce: (open: boolean) => void,
  ) {
    this.id = id;
    this.name = name;
    this.#backend = backend;
    this.#announce = announce;
    // A console always has a reader; another port is opened by whoever uses it.
    this.#hostOpen = name === undefined;
  }

  /** Whether the guest has the port open, as it said last. */
  get guestOpen(): boolean {
    return this.#guestOpen;
  }

  get hostOpen(): boolean {
    return this.#hostOpen;
  }

  get inputWaiting(): number {
    return this.#input.length;
  }

  /** Queues input for the guest; returns how many bytes were accepted, the first ones. */
  input(bytes: Uint8Array): number {
    // The callback is for later: here it would find a caller that does not know yet what was taken.
    this.#inputRefused = false;
    let accepted = 0;
    for (let taken = -1; taken !== 0 && accepted < bytes.length; accepted += taken) {
      taken = this.#takesInput ? this.#input.put(bytes.subarray(accepted)) : 0;
      this.receive();
    }
    this.#inputRefused = accepted < bytes.length;
    return accepted;
  }

  /** The backend takes output again. */
  drain(): void {
    this.#full = false;
    this.transmit();
  }

  /** The host has the port open from now on: until then the guest's output is discarded. */
  open(): void {
    if (this.#closing) this.#reopen = true;
    if (this.#hostOpen) return;
    this.#hostOpen = true;
    this.#full = false;
    this.#announce(true);
    this.#makeSpace();
  }

  /** The guest reads to the end of the input so far, and then an end of file. */
  close(): void {
    this.#reopen = false;
    if (!this.#hostOpen || this.#closing) return;
    this.#closing = true;
    if (this.#guestOpen) this.#finishClosing();
    else this.#abandonInput();
  }

  /** For the device: a driver uses the port by these queues. */
  attach(queues: PortQueues, guestOpen: boolean): void {
    this.#queues = queues;
    this.setGuestOpen(guestOpen);
  }

  /** For the device: back to power-on. Input given before a driver was there stays. */
  detach(): void {
    if (this.#queues !== undefined) this.#input.clear();
    this.#queues = undefined;
    this.setGuestOpen(false);
    this.#makeSpace();
  }

  /** For the device: the guest has opened or closed its side. */
  setGuestOpen(open: boolean): void {
    if (!open && this.#guestOpen) this.#closedSince = true;
    this.#guestOpen = open;
    this.transmit();
    this.receive();
    if (!open && this.#closing) this.#abandonInput();
  }

  /** For the device: the guest may have given buffers for input. */
  receive(): void {
    const queue = this.#queues?.rx;
    if (queue === undefined || !this.#guestOpen || this.#input.length === 0) return;
    drain(queue, (chain) => {
      const writer = new ChainWriter(chain);
      // Twice, because the queued bytes may be in two pieces.
      for (let piece = 0; piece < 2; piece++) {
        this.#input.drop(writer.write(this.#input.front(writer.remaining)));
      }
      this.counters.inputBytes += writer.written;
      queue.push(chain, writer.written);
      return this.#input.length > 0;
    });
    this.#finishClosing();
    this.#makeSpace();
  }

  /** For the device: the guest may have written. */
  transmit(): void {
    const queue = this.#queues?.tx;
    if (queue !== undefined && !this.#full) {
      drain(queue, (chain) => {
        this.#output(chain);
        queue.push(chain, 0);
        return !this.#full;
      });
    }
    this.#tellOpen();
  }

  save(): State {
    const input = this.#input.toBytes();
    return { id: this.id, name: this.name, guestOpen: this.#guestOpen, input };
  }

  load(state: State): void {
    this.#input.clear();
    if (state.input instanceof Uint8Array) this.#input.put(state.input);
    this.setGuestOpen(state.guestOpen === true);
  }

  get #takesInput(): boolean {
    return this.#hostOpen && !this.#closing;
  }

  /** Of a host that has gone, for a guest that is not listening: nobody would ever take it. */
  #abandonInput(): void {
    this.#input.clear();
    this.#finishClosing();
  }

  #finishClosing(): void {
    if (!this.#closing || this.#input.length > 0) return;
    this.#closing = false;
    this.#hostOpen = false;
    this.#announce(false);
    // What the guest still writes is discarded, and need not wait.
    this.drain();
    if (!this.#reopen) return;
    this.#reopen = false;
    this.open();
  }

  #makeSpace(): void {
    if (!this.#inputRefused || !this.#takesInput || this.#input.free === 0) return;
    this.#inputRefused = false;
    this.onInputSpace?.();
  }

  /** A close is told only when the guest's last output has been. */
  #tellOpen(): void {
    if (this.#closedSince) {
      if (this.#full && this.#queues !== undefined) return;
      this.#closedSince = false;
      this.#tell(false);
    }
    if (this.#guestOpen) this.#tell(true);
  }

  #tell(open: boolean): void {
    if (open === this.#toldOpen) return;
    this.#toldOpen = open;
    this.#backend.guestOpened?.(open);
  }

  #output(chain: DescriptorChain): void {
    const length = this.#hostOpen ? Math.min(chain.readableLength, CONSOLE_CHAIN_MAX) : 0;
    this.counters.droppedBytes += chain.readableLength - length;
    for (let at = 0; at < length; at += CONSOLE_WRITE_MAX) {
      const piece = new Uint8Array(Math.min(CONSOLE_WRITE_MAX, length - at));
      chain.readAt(at, piece);
      this.counters.outputBytes += piece.length;
      if (!this.#backend.write(piece)) this.#full = true;
    }
  }
}
