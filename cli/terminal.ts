/** Standard input and output as the machine's console. */
import type { ReadStream, WriteStream } from "node:tty";
import { ESCAPE_HELP, EscapeFilter, type MemoryCommand } from "./escape.ts";

export interface TerminalOptions {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Takes bytes for the guest; returns how many of them, from the first, it took. */
  readonly onInput: (bytes: Uint8Array) => number;
  readonly onQuit: () => void;
  readonly onSave: () => void;
  /** A key of the monitor that is about memory. */
  readonly onCommand: (command: MemoryCommand) => void;
  /** Output is welcome again after `write` had returned false. */
  readonly onDrain: () => void;
  readonly onResize: (columns: number, rows: number) => void;
}

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** What a terminal has of which nothing is known. */
const DEFAULT_SIZE: TerminalSize = { cols: 80, rows: 24 };

export class Terminal {
  readonly #options: TerminalOptions;
  readonly #escapes: EscapeFilter;
  /** Input that the guest has no room for yet. */
  #backlog: Uint8Array = new Uint8Array(0);
  #open = false;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#escapes = new EscapeFilter((command) => {
      if (command === "quit") options.onQuit();
      else if (command === "save") options.onSave();
      else if (command === "help") options.stdout.write(ESCAPE_HELP);
      else options.onCommand(command);
    });
  }

  get size(): TerminalSize {
    const { columns, rows } = this.#options.stdout as Partial<WriteStream>;
    if (columns === undefined || rows === undefined) return DEFAULT_SIZE;
    return { cols: columns, rows };
  }

  /** Starts listening. From here on keys go to the guest unchanged, Ctrl-C too. */
  open(): void {
    const { stdin, stdout } = this.#options;
    this.#open = true;
    if (stdin.isTTY) (stdin as ReadStream).setRawMode(true);
    stdin.on("data", this.#onData);
    // A reader that is gone, such as `| head`, ends the machine.
    stdout.on("error", this.#options.onQuit);
    stdout.on("drain", this.#options.onDrain);
    stdout.on("resize", this.#onResize);
    stdin.resume();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const { stdin, stdout } = this.#options;
    stdin.off("data", this.#onData);
    stdout.off("error", this.#options.onQuit);
    stdout.off("drain", this.#options.onDrain);
    stdout.off("resize", this.#onResize);
    if (stdin.isTTY) (stdin as ReadStream).setRawMode(false);
    stdin.pause();
    // An open pipe would keep the process alive.
    if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  }

  /** Prints what the guest printed; false if the reader is slower. */
  write(bytes: Uint8Array): boolean {
    return this.#options.stdout.write(bytes);
  }

  /** The guest may have room for input that it had refused. */
  offerInput(): void {
    if (this.#backlog.length === 0) return;
    const waiting = this.#backlog;
    this.#backlog = new Uint8Array(0);
    this.#offer(waiting);
    if (this.#backlog.length === 0 && this.#open) this.#options.stdin.resume();
  }

  readonly #onResize = (): void => {
    const { cols, rows } = this.size;
    this.#options.onResize(cols, rows);
  };

  readonly #onData = (data: Buffer): void => {
    // Only a person has a use for keys of the monitor; a pipe may carry any bytes.
    this.#offer(this.#options.stdin.isTTY ? this.#escapes.filter(data) : data);
  };

  #offer(bytes: Uint8Array): void {
    const taken = this.#options.onInput(bytes);
    if (taken === bytes.length) return;
    // More may come before the stream heeds the pause.
    this.#backlog = Buffer.concat([this.#backlog, bytes.subarray(taken)]);
    this.#options.stdin.pause();
  }
}
