/** The embedded Linux with a person at its console, for tests under Node. */
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep, setImmediate as yieldToHost } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import type { BlockBackend } from "../../virtio/devices/block-backend.ts";
import { Machine } from "../machine.ts";
import type { BootRequest, MachineExit, MachineOptions } from "../machine-types.ts";
import { openMachineFile } from "../saved/saved-machine.ts";
import { attachDevices, steadyEntropy } from "./linux-devices.ts";

/** The committed guest, or the one of a folder below the project's that the environment names. */
const GUEST = new URL(`../../../${process.env.TABVISOR_GUEST ?? "public/guest"}/`, import.meta.url);
const guestFile = (name: string) => gunzipSync(readFileSync(new URL(name, GUEST)));
const manifest = () => JSON.parse(readFileSync(new URL("manifest.json", GUEST), "utf8"));

/** The command line that the guest comes with. */
export const guestAppend = (): string => manifest().append;

/** Whether the guest has been built. */
export const hasGuest = existsSync(new URL("Image.gz", GUEST));

/** Whether the guest's Linux is not the one that is committed. */
export const isNewerGuest = hasGuest && !manifest().kernel.version.startsWith("6.12.");

/** The longest that a test may wait for anything, in ms. */
export const LIMIT_MS = 60_000;

/** A timer of the host may be late for a guest that something else wakes. */
const IDLE_MS = 10;

export const PROMPT = /# /;

/** The file of a saved machine, in pieces. */
export type Saved = readonly Uint8Array<ArrayBuffer>[];

const timer = (ms: number, callback: () => void) => void setTimeout(callback, ms);

export interface LinuxSessionOptions extends Partial<MachineOptions> {
  readonly append?: string;
  readonly firmware?: Uint8Array;
  /** Default: one that nobody else has. */
  readonly disk?: BlockBackend;
  /** Attaches further devices. */
  readonly attach?: (machine: Machine) => void;
  /** The caller boots it, or restores it. */
  readonly isOff?: boolean;
}

export class LinuxSession {
  readonly machine: Machine;
  readonly exits: MachineExit[] = [];
  readonly request: BootRequest;
  #output = "";

  /** Has a new machine go on where a saved one was. @throws LoadError */
  static async restore(file: Saved, options: LinuxSessionOptions = {}): Promise<LinuxSession> {
    const session = new LinuxSession({ ...options, isOff: true });
    await session.machine.restore(await openMachineFile(file), session.request);
    // Its last words were shown once more.
    session.#output = "";
    return session;
  }

  constructor({ append, firmware, disk, attach, isOff, ...options }: LinuxSessionOptions = {}) {
    this.machine = new Machine({
      clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
      entropy: steadyEntropy,
      ramBytes: 128 * 1024 * 1024,
      ...options,
      events: {
        onExit: (exit) => this.exits.push(exit),
        onConsole: (_port, bytes) => {
          this.#output += new TextDecoder().decode(Uint8Array.from(bytes));
          return true;
        },
      },
    });
    attachDevices(this.machine, disk);
    attach?.(this.machine);
    this.request = {
      kernel: guestFile("Image.gz"),
      initrd: guestFile("initramfs.cpio.gz"),
      append: append ?? "console=hvc0 quiet",
      ...(firmware === undefined ? {} : { firmware }),
    };
    if (isOff !== true) this.machine.boot(this.request);
  }

  /** The file of the machine as it is now. @throws LoadError */
  async save(note?: unknown): Promise<Saved> {
    const pieces = await this.machine.save({ nowMs: () => performance.now(), sleep: timer, note });
    const file: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of pieces) file.push(piece);
    return file;
  }

  type(text: string): void {
    this.machine.consoles.input(new TextEncoder().encode(text));
  }

  /** Runs until that is so, or the guest has ended. @throws Error if it takes too long. */
  async runUntil(isDone: () => boolean, what: string): Promise<void> {
    const end = performance.now() + LIMIT_MS;
    while (!isDone()) {
      if (performance.now() > end) throw new Error(`no ${what} in: ${this.#output}`);
      const result = this.machine.runSlice(8);
      if (result === "stopped") break;
      // What the test's own promises and sockets do comes to its turn here.
      if (result === "idle") await sleep(Math.min(this.machine.msUntilWake(), IDLE_MS));
      else await yieldToHost();
    }
  }

  /** Runs until the guest has printed that or has ended; what it printed until then. */
  async until(text: RegExp): Promise<string> {
    await this.runUntil(() => text.test(this.#output), String(text));
    const seen = this.#output;
    this.#output = "";
    return seen;
  }

  /** Runs until a promise is settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.runUntil(() => isSettled, "end of waiting");
    return promise;
  }

  /** Has the shell do something; what it printed. */
  command(line: string): Promise<string> {
    this.begin(line);
    return this.finished();
  }

  /** What a command prints, without its echo and the prompt. */
  async output(command: string): Promise<string> {
    const seen = await this.command(`echo "<<"; ${command}`);
    return seen
      .split(/^<<\r\n/m)[1]
      .split("done\r\n")[0]
      .replaceAll("\r\n", "\n")
      .trim();
  }

  /** Compiles a program in C, which is `name` in the guest then. @throws Error with what is wrong */
  async compile(source: URL, name: string): Promise<void> {
    // To the shell a tab is a question.
    const text = readFileSync(source, "utf8").replaceAll("\t", " ");
    this.type(`cat > ${name}.c <<'END'\n${text}END\n`);
    await this.until(/> END\r\n[\s\S]*# /);
    const output = await this.command(`tcc -o ${name} ${name}.c; ls ${name}`);
    if (/error|No such/.test(output)) throw new Error(output);
  }

  /** Has the shell begin something; `finished` tells what it prints. */
  begin(line: string): void {
    // The quotes keep the line as it is echoed from looking like its end.
    this.type(`${line}; echo do''ne\n`);
  }

  /** The rest of what the shell printed for a command. */
  finished(): Promise<string> {
    return this.until(/done\r\n[\s\S]*# /);
  }
}
