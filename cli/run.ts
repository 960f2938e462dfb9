/** Runs one machine with the terminal as its console, until the guest ends. */
import { availableParallelism } from "node:os";
import { setTimeout as later } from "node:timers/promises";
import { compilerFor } from "../src/cpu/jit/compiler-thread.ts";
import { cryptoAlgorithms } from "../src/host/crypto-algorithms.ts";
import { fillRandom } from "../src/host/entropy.ts";
import { sleep } from "../src/host/sleep.ts";
import { Machine } from "../src/machine/machine.ts";
import type { BootRequest, MachineExit } from "../src/machine/machine-types.ts";
import { riscvHart } from "../src/machine/riscv-hart.ts";
import { RunLoop, type RunLoopHost } from "../src/machine/run-loop.ts";
import { shareDevice, shareWindowBytes } from "../src/machine/share.ts";
import { BlockDevice } from "../src/virtio/devices/block.ts";
import type { ConsoleDevice } from "../src/virtio/devices/console.ts";
import { CryptoDevice } from "../src/virtio/devices/crypto.ts";
import { EntropyDevice } from "../src/virtio/devices/entropy.ts";
import { RtcDevice } from "../src/virtio/devices/rtc.ts";
import { startCompiler } from "./compiler-thread.ts";
import { readEmbeddedGuest } from "./embedded-guest.ts";
import { FileDisk } from "./file-disk.ts";
import { readImage } from "./files.ts";
import type { GdbServer } from "./gdb-server.ts";
import { GuestLinks } from "./guest-links.ts";
import { MediaDevices } from "./media-devices.ts";
import { FileMemoryDevices } from "./memory-devices.ts";
import { connectNetwork } from "./network.ts";
import type { RunOptions, ShareOption } from "./options.ts";
import { openMachine, saveMachine } from "./saved-machine.ts";
import { DirectoryTree } from "./share/directory-tree.ts";
import { Terminal } from "./terminal.ts";

/** As the `timeout` command has it. */
export const EXIT_TIMEOUT = 124;
const EXIT_FAILURE = 1;

/** A kernel that panicked still prints where; after this it is taken to be dead. */
const PANIC_GRACE_MS = 1000;

const LAST_WORDS_MS = 500;

/** Node itself answers to SIGUSR1. */
const SAVE_SIGNAL = "SIGUSR2";

export interface RunStreams {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WritableStream;
}

/** @returns the exit code. @throws LoadError if something cannot be read or booted. */
export async function runMachine(options: RunOptions, streams: RunStreams): Promise<number> {
  const request = await bootRequest(options);
  const disks = await Promise.all(
    options.disks.map(({ path, readOnly }) =>
      FileDisk.open(path, readOnly, faultTeller(path, streams)),
    ),
  );
  const memory = await FileMemoryDevices.open(options);
  const session = new Session(options, streams, memory);
  try {
    const code = await session.run(request, disks);
    // What the guest said last comes before what the monitor says, unless nobody reads it.
    const printed = new Promise((resolve) => streams.stdout.write("", resolve));
    await Promise.race([printed, later(LAST_WORDS_MS, undefined, { ref: false })]);
    return code;
  } finally {
    session.close();
    await memory.close();
    await Promise.all(disks.map((disk) => disk.close()));
  }
}

/** Says each kind of failure of a disk once: a guest tries again and again. */
function faultTeller(path: string, { stderr }: RunStreams): (error: Error) => void {
  const told = new Set<string>();
  return ({ message }) => {
    if (told.has(message)) return;
    told.add(message);
    stderr.write(`\r\ntabvisor: disk ${path}: ${message}\r\n`);
  };
}

async function bootRequest(options: RunOptions): Promise<BootRequest> {
  const { kernel, firmware, initrd, append, dtb } = options;
  const isEmbedded = kernel === undefined && firmware === undefined;
  const embedded = isEmbedded ? await readEmbeddedGuest() : {};
  return {
    ...embedded,
    ...(kernel === undefined ? {} : { kernel: await readImage("kernel", kernel) }),
    ...(firmware === undefined ? {} : { firmware: await readImage("firmware", firmware) }),
    // Not unpacked: an initramfs is the kernel's to unpack, and may be several archives.
    ...(initrd === undefined ? {} : { initrd: await readImage("initramfs", initrd) }),
    ...(dtb === undefined ? {} : { fdtOverride: await readImage("device tree", dtb) }),
    ...(append === undefined ? {} : { append }),
  };
}

const NODE_HOST: RunLoopHost = {
  defer: (callback) => void setImmediate(callback),
  sleep,
};

const HOST_CLOCK = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };

/** One run: the machine, what is connected to it, and how it ends. */
class Session {
  readonly #options: RunOptions;
  readonly #streams: RunStreams;
  readonly #machine: Machine;
  readonly #loop: RunLoop;
  readonly #terminal: Terminal;
  readonly #console: ConsoleDevice;
  readonly #links: GuestLinks;
  readonly #memory: FileMemoryDevices;
  readonly #media: MediaDevices;
  readonly #shares: readonly ShareOption[];
  readonly #closers: (() => void)[] = [];
  #gdb: GdbServer | undefined;
  readonly #startedAt = performance.now();
  #hasSpoken = false;
  #panicked = false;
  #finish: (code: number) => void = () => {};

  constructor(options: RunOptions, streams: RunStreams, memory: FileMemoryDevices) {
    this.#options = options;
    this.#memory = memory;
    this.#streams = streams;
    this.#links = new GuestLinks(options.links);
    const { shares, shareDaxMiB: daxMiB } = options;
    this.#shares = shares.map((share) => ({ ...share, daxMiB }));
    this.#terminal = new Terminal({
      ...streams,
      // Before the guest has spoken it is not known which console it listens to.
      onInput: (bytes) => (this.#hasSpoken ? this.#machine.consoles.input(bytes) : 0),
      onQuit: () => this.#finish(0),
      onSave: () => void this.#save(),
      onCommand: (command) => void this.#memory.obey(command).then((text) => this.#say(text)),
      onDrain: () => this.#resume(),
      onResize: (columns, rows) => this.#console.resize(columns, rows),
    });
    this.#machine = new Machine({
      hart: riscvHart(compilerFor(availableParallelism(), startCompiler)),
      clock: HOST_CLOCK,
      entropy: fillRandom,
      profile: options.profile,
      interruptController: options.irq,
      virtio: options.virtio,
      ...(options.ramMiB === undefined ? {} : { ramBytes: options.ramMiB * 1024 * 1024 }),
      windowBytes: this.#shares.reduce(
        (sum, share) => sum + shareWindowBytes(share),
        memory.windowBytes,
      ),
      events: {
        onExit: (exit) => this.#ended(exit),
        onPanic: () => this.#panic(),
        onConsole: (_port, bytes) => this.#print(bytes),
        onInputSpace: () => this.#terminal.offerInput(),
        onWake: () => this.#loop.wake(),
      },
    });
    this.#media = new MediaDevices(options);
    this.#loop = new RunLoop(this.#machine, NODE_HOST);
    this.#console = this.#machine.consoles.createDevice("console0", this.#terminal.size);
  }

  async run(request: BootRequest, disks: readonly FileDisk[]): Promise<number> {
    await this.#memory.load(this.#machine);
    this.#attach(disks);
    await this.#serveGdb();
    await this.#start(request);
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#limitTime(this.#options.timeoutSeconds);
      this.#links.open().catch((error: Error) => {
        this.#say(error.message);
        resolve(EXIT_FAILURE);
      });
      this.#terminal.open();
      this.#awaitSignal();
      this.#loop.start();
    });
  }

  async #start(request: BootRequest): Promise<void> {
    const { restore } = this.#options;
    if (restore === undefined) {
      this.#machine.boot(request);
      return;
    }
    await this.#machine.restore(await openMachine(restore), request);
    // Its console is known, and may have nothing to say.
    this.#hasSpoken = true;
  }

  #awaitSignal(): void {
    if (this.#options.save === undefined) return;
    const save = (): void => void this.#save();
    process.on(SAVE_SIGNAL, save);
    this.#closers.push(() => process.off(SAVE_SIGNAL, save));
  }

  async #save(): Promise<void> {
    const { save: path } = this.#options;
    if (path === undefined) {
      this.#say("there is no file to save the machine in: give --save FILE");
      return;
    }
    try {
      await saveMachine(this.#machine, path);
      this.#say(`the machine is in ${path}`);
      this.#finish(0);
    } catch (error) {
      this.#say((error as Error).message);
    }
  }

  close(): void {
    this.#loop.stop();
    this.#terminal.close();
    for (const close of this.#closers) close();
    for (const problem of this.#media.close()) this.#say(problem);
    if (this.#options.stats) this.#say(this.#statistics());
    this.#machine.dispose();
  }

  #attach(disks: readonly FileDisk[]): void {
    const { crypto, rtc, net } = this.#options;
    this.#machine.attach(this.#console);
    disks.forEach((disk, i) => {
      const device = new BlockDevice(`blk${i}`, disk);
      this.#machine.attach(device);
      disk.follow(() => device.resized());
    });
    this.#shares.forEach((share, i) => {
      const tree = new DirectoryTree(share.path, share.readOnly);
      this.#machine.attach(shareDevice(`fs${i}`, share, tree, this.#machine));
    });
    this.#machine.attach(new EntropyDevice("rng0", { fill: fillRandom }));
    if (crypto) {
      this.#machine.attach(new CryptoDevice("crypto0", cryptoAlgorithms(fillRandom)));
    }
    if (rtc) this.#machine.attach(new RtcDevice("rtc0", { ...HOST_CLOCK, sleep }));
    this.#memory.attach(this.#machine);
    this.#media.attach(this.#machine);
    if (net !== undefined) {
      const network = connectNetwork(net, (message) => this.#say(message));
      this.#closers.push(() => network.close());
      this.#machine.attach(network.device);
    }
    this.#links.attach(this.#machine);
    this.#closers.push(() => this.#links.close());
  }

  async #serveGdb(): Promise<void> {
    const { gdbPort, gdbWaits } = this.#options;
    if (gdbPort === undefined) return;
    const { GdbServer } = await import("./gdb-server.ts");
    this.#gdb = new GdbServer(this.#machine, { kill: () => this.#finish(0) });
    this.#closers.push(() => this.#gdb?.close());
    if (gdbWaits) this.#machine.hold.begin();
    const port = await this.#gdb.listen(gdbPort);
    this.#say(`for GDB: target remote :${port}`);
  }

  #limitTime(seconds: number | undefined): void {
    if (seconds === undefined) return;
    this.#after(seconds * 1000, () => {
      this.#say(`no end after ${seconds} seconds`);
      this.#finish(EXIT_TIMEOUT);
    });
  }

  #after(ms: number, callback: () => void): void {
    this.#closers.push(sleep(ms, callback));
  }

  #ended(exit: MachineExit): void {
    if (exit.kind === "reboot" && !this.#panicked && !this.#options.noReboot) {
      this.#machine.reset();
    } else {
      const code = this.#codeOf(exit);
      this.#gdb?.exited(code);
      this.#finish(code);
    }
  }

  #codeOf(exit: MachineExit): number {
    switch (exit.kind) {
      case "poweroff":
        return 0;
      case "reboot":
        return this.#panicked ? EXIT_FAILURE : 0;
      case "fail":
        // The shell keeps 8 bits; a failure must not turn into success there.
        return exit.code & 0xff || EXIT_FAILURE;
      case "halt":
        this.#say("the guest has stopped its last hart");
        return 0;
      case "error":
        this.#say(exit.error instanceof Error ? (exit.error.stack ?? "") : String(exit.error));
        return EXIT_FAILURE;
    }
  }

  #print(bytes: Uint8Array): boolean {
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      // Not now: this is called from inside the guest's write.
      setImmediate(() => this.#terminal.offerInput());
    }
    const hasRoom = this.#terminal.write(bytes);
    // A serial port cannot hold its output back, so a guest that prints faster than it is read waits.
    if (!hasRoom) this.#loop.stop();
    return hasRoom;
  }

  /** The reader of the output has caught up. */
  #resume(): void {
    this.#machine.consoles.drain();
    this.#loop.start();
  }

  #panic(): void {
    if (this.#panicked) return;
    this.#panicked = true;
    this.#after(PANIC_GRACE_MS, () => this.#finish(EXIT_FAILURE));
  }

  #statistics(): string {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const { instructions } = this.#machine.inspect();
    const millions = instructions / 1e6;
    return `${seconds.toFixed(2)} s, ${millions.toFixed(1)} million instructions`;
  }

  #say(message: string): void {
    this.#streams.stderr.write(`\r\ntabvisor: ${message}\r\n`);
  }
}
