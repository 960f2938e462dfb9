/**
 * All consoles of a machine as one: what any of them prints, and where typed input goes.
 *
 * A guest may speak on the UART, through the SBI and on virtio consoles, often on several of them
 * while it boots. Input goes to the one that last printed something.
 */
import { ConsoleDevice, type ConsoleSize } from "../virtio/devices/console.ts";
import { OutputTail, withoutQuestions } from "./output-tail.ts";
import { PanicDetector } from "./panic-detector.ts";

/** One console as the guest's side of it. */
export interface ConsoleSide {
  /** Takes input for the guest; returns how many of the bytes, from the first, it took. */
  input(bytes: Uint8Array): number;
  /** Goes on with output that was held back because the host was full. */
  drain?(): void;
}

export interface ConsolePort {
  /** The guest printed this byte. Bytes are gathered until `flush`. */
  outputByte(byte: number): void;
  /** The guest printed these bytes; false if the host is full and more should wait for `drain`. */
  output(bytes: Uint8Array): boolean;
  /** The console takes input again after it had refused some. */
  inputSpace(): void;
}

export interface ConsoleHubOptions {
  /** Always takes all of the bytes; false asks to hold further output back until `drain`. */
  readonly onOutput: (port: string, bytes: Uint8Array) => boolean;
  /** Input that was refused may be offered again. */
  readonly onInputSpace: () => void;
  /** A Linux kernel announced its panic on a console. */
  readonly onPanic: (message: string) => void;
}

/** Bytes gathered at most: a guest that prints without end is still seen to print. */
const GATHERED_BYTES = 1024;

/** Structured-clonable state, version 1; the consoles themselves have their own. */
export interface ConsolesState {
  readonly version: 1;
  readonly active: string | undefined;
  /** What was printed last. */
  readonly tail: Uint8Array;
}

export class ConsoleHub {
  readonly #options: ConsoleHubOptions;
  readonly #tail = new OutputTail();
  readonly #gathered = new Uint8Array(GATHERED_BYTES);
  #gatheredLength = 0;
  /** Where the gathered bytes were printed. */
  #gatheredOn = "";
  readonly #sides = new Map<string, ConsoleSide>();
  #active: string | undefined;

  constructor(options: ConsoleHubOptions) {
    this.#options = options;
  }

  /** The console that input goes to: the last that printed, at first the first that was added. */
  get active(): string | undefined {
    return this.#active;
  }

  /** Adds a console, or replaces the one of that name. */
  add(name: string, side: ConsoleSide): ConsolePort {
    this.#sides.set(name, side);
    this.#active ??= name;
    const detector = new PanicDetector(this.#options.onPanic);
    return {
      outputByte: (byte) => {
        this.#active = name;
        detector.feed([byte]);
        this.#gather(name, byte);
      },
      output: (bytes) => {
        this.flush();
        this.#active = name;
        detector.feed(bytes);
        return this.#print(name, bytes);
      },
      inputSpace: this.#options.onInputSpace,
    };
  }

  /** A virtio console on this hub, for `Machine.attach`. Linux calls the first one `hvc0`. */
  createDevice(name: string, size: ConsoleSize): ConsoleDevice {
    const device: ConsoleDevice = new ConsoleDevice(
      name,
      { write: (bytes) => port.output(bytes) },
      { size },
    );
    const port = this.add(name, device);
    device.onInputSpace = () => port.inputSpace();
    return device;
  }

  /** Types into the active console; returns how many of the bytes it took. */
  input(bytes: Uint8Array): number {
    const side = this.#active === undefined ? undefined : this.#sides.get(this.#active);
    return side === undefined ? 0 : side.input(bytes);
  }

  /** Hands on what was printed byte by byte; the machine calls it between slices. */
  flush(): void {
    if (this.#gatheredLength === 0) return;
    const bytes = this.#gathered.slice(0, this.#gatheredLength);
    this.#gatheredLength = 0;
    this.#print(this.#gatheredOn, bytes);
  }

  save(): ConsolesState {
    return { version: 1, active: this.#active, tail: this.#tail.toBytes() };
  }

  /** Shows again what was there to see last. */
  load({ active, tail }: ConsolesState): void {
    if (active === undefined || !this.#sides.has(active)) return;
    this.#active = active;
    if (tail.length > 0) this.#print(active, withoutQuestions(tail));
  }

  /** The host takes output again. */
  drain(): void {
    for (const side of this.#sides.values()) side.drain?.();
  }

  #print(port: string, bytes: Uint8Array): boolean {
    this.#tail.add(bytes);
    return this.#options.onOutput(port, bytes);
  }

  #gather(port: string, byte: number): void {
    if (port !== this.#gatheredOn || this.#gatheredLength === GATHERED_BYTES) this.flush();
    this.#gatheredOn = port;
    this.#gathered[this.#gatheredLength] = byte;
    this.#gatheredLength += 1;
  }
}
