/** The console device (virtio 5.3): one port, its size, and emergency output before any set-up. */
import { ChainWriter, type DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { Counters, DeviceIo, VirtioDevice } from "../device.ts";
import { drain } from "../queue.ts";
import { bits, DeviceType } from "../spec.ts";
import { ByteQueue } from "./byte-queue.ts";

/** Where the guest's output goes. */
export interface ConsoleBackend {
  /**
   * Takes all of `bytes`, a copy that it may keep. False means: taken, but full; the device then
   * holds further output back in the guest until `drain` is called, later and not from here.
   */
  write(bytes: Uint8Array<ArrayBuffer>): boolean;
}

/** Feature bits (5.3.3). */
const SIZE = 0;
const EMERG_WRITE = 2;

/** Queues (5.3.2). */
const RX = 0;
const TX = 1;
const QUEUE_SIZE = 256;

/** Configuration layout (5.3.4). */
const CONFIG_COLS = 0;
const CONFIG_ROWS = 2;
const CONFIG_MAX_NR_PORTS = 4;
const CONFIG_EMERG_WR = 8;
const CONFIG_SIZE = 12;

/** Input waiting for the guest: large enough for any burst of typing, small enough to flow-control. */
export const CONSOLE_INPUT_MAX = 64 * 1024;

/** Output copied to the host at once; a longer chain is sent in pieces of this size. */
const CONSOLE_WRITE_MAX = 64 * 1024;

/**
 * Output of one chain. Drivers send pages; a chain may claim 4 GiB by naming the same page many
 * times, and copying that would stop the machine for seconds. What lies beyond is dropped.
 */
export const CONSOLE_CHAIN_MAX = 1024 * 1024;

export interface ConsoleSize {
  readonly cols: number;
  readonly rows: number;
}

export class ConsoleDevice implements VirtioDevice {
  readonly type = DeviceType.CONSOLE;
  readonly name: string;
  readonly features = bits(SIZE, EMERG_WRITE);
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly config: ConfigFields;
  /** Called when `input` had to refuse bytes and has space again. */
  onInputSpace: (() => void) | undefined;
  readonly #backend: ConsoleBackend;
  readonly #input = new ByteQueue(CONSOLE_INPUT_MAX);
  #inputRefused = false;
  #io: DeviceIo | undefined;
  #full = false;
  readonly #counters = { inputBytes: 0, outputBytes: 0, emergencyBytes: 0, droppedBytes: 0 };

  constructor(name: string, backend: ConsoleBackend, size: ConsoleSize = { cols: 80, rows: 25 }) {
    this.name = name;
    this.#backend = backend;
    this.config = new ConfigFields(CONFIG_SIZE, (offset, _size, value) => {
      if (offset === CONFIG_EMERG_WR) this.#emergencyWrite(value & 0xff);
    });
    this.config.setU16(CONFIG_COLS, size.cols).setU16(CONFIG_ROWS, size.rows);
    this.config.setU32(CONFIG_MAX_NR_PORTS, 1);
  }

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(index: number): void {
    if (index === RX) this.#receive();
    else this.#transmit();
  }

  /** Input given before a driver was there stays: a driver's first act is a reset. */
  reset(): void {
    if (this.#io !== undefined) this.#input.clear();
    this.#io = undefined;
    this.#makeSpace();
  }

  /** Queues input for the guest; returns how many bytes were accepted, the first ones. */
  input(bytes: Uint8Array): number {
    const accepted = this.#input.put(bytes);
    this.#inputRefused = accepted < bytes.length;
    this.#receive();
    return accepted;
  }

  /** The terminal has another size now. */
  resize(cols: number, rows: number): void {
    this.config.setU16(CONFIG_COLS, cols).setU16(CONFIG_ROWS, rows);
    this.#io?.configChanged();
  }

  /** The backend takes output again. */
  drain(): void {
    this.#full = false;
    this.#transmit();
  }

  counters(): Counters {
    return { ...this.#counters, inputWaiting: this.#input.length };
  }

  #receive(): void {
    const queue = this.#io?.queues[RX];
    if (queue === undefined || this.#input.length === 0) return;
    drain(queue, (chain) => {
      const writer = new ChainWriter(chain);
      // Twice, because the queued bytes may be in two pieces.
      for (let piece = 0; piece < 2; piece++) {
        this.#input.drop(writer.write(this.#input.front(writer.remaining)));
      }
      this.#counters.inputBytes += writer.written;
      queue.push(chain, writer.written);
      return this.#input.length > 0;
    });
    this.#makeSpace();
  }

  #makeSpace(): void {
    if (!this.#inputRefused || this.#input.free === 0) return;
    this.#inputRefused = false;
    this.onInputSpace?.();
  }

  #transmit(): void {
    const queue = this.#io?.queues[TX];
    if (queue === undefined || this.#full) return;
    drain(queue, (chain) => {
      this.#output(chain);
      queue.push(chain, 0);
      return !this.#full;
    });
  }

  #output(chain: DescriptorChain): void {
    const length = Math.min(chain.readableLength, CONSOLE_CHAIN_MAX);
    this.#counters.droppedBytes += chain.readableLength - length;
    for (let at = 0; at < length; at += CONSOLE_WRITE_MAX) {
      const piece = new Uint8Array(Math.min(CONSOLE_WRITE_MAX, length - at));
      chain.readAt(at, piece);
      this.#counters.outputBytes += piece.length;
      if (!this.#backend.write(piece)) this.#full = true;
    }
  }

  #emergencyWrite(byte: number): void {
    this.#counters.emergencyBytes++;
    this.#backend.write(Uint8Array.of(byte));
  }
}
