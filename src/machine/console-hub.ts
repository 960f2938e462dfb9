/**
 * All consoles of a machine as one: what any of them prints, and where typed input goes.
 *
 * A guest may speak on the UART, through the SBI and on virtio consoles, often on several of them
 * while it boots. Input goes to the one that last printed something.
 */
import { PanicDetector } from "./panic-detector.ts";

export interface ConsolePort {
  readonly name: string;
  /** The guest printed these bytes here. */
  output(bytes: Uint8Array): void;
  /** The console takes input again after it had refused some. */
  inputSpace(): void;
}

/** Takes input for one console; returns how many of the bytes, from the first, it took. */
export type ConsoleInput = (bytes: Uint8Array) => number;

export interface ConsoleHubOptions {
  readonly onOutput: (port: string, bytes: Uint8Array) => void;
  /** Input that was refused may be offered again. */
  readonly onInputSpace: () => void;
  /** A Linux kernel announced its panic on a console. */
  readonly onPanic: (message: string) => void;
}

export class ConsoleHub {
  readonly #options: ConsoleHubOptions;
  readonly #inputs = new Map<string, ConsoleInput>();
  #active: string | undefined;

  constructor(options: ConsoleHubOptions) {
    this.#options = options;
  }

  /** The console that input goes to: the last that printed, at first the first that was added. */
  get active(): string | undefined {
    return this.#active;
  }

  /** Adds a console, or replaces the one of that name. */
  add(name: string, input: ConsoleInput): ConsolePort {
    this.#inputs.set(name, input);
    this.#active ??= name;
    const detector = new PanicDetector(this.#options.onPanic);
    return {
      name,
      output: (bytes) => {
        this.#active = name;
        detector.feed(bytes);
        this.#options.onOutput(name, bytes);
      },
      inputSpace: this.#options.onInputSpace,
    };
  }

  /** Types into the active console; returns how many of the bytes it took. */
  input(bytes: Uint8Array): number {
    const input = this.#active === undefined ? undefined : this.#inputs.get(this.#active);
    return input === undefined ? 0 : input(bytes);
  }
}
