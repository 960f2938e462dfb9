/** What the page knows of its machine, as signals, and what it can tell the machine to do. */
import { type Signal, signal } from "@preact/signals";
import type {
  BootConfig,
  CursorPicture,
  ExitReason,
  FromWorker,
  Gesture,
  ImageName,
  MachineState,
  Problem,
  SharedFile,
  Stats,
  ToWorker,
} from "../worker/protocol.ts";
import { type MachineLink, openMachine } from "./machine-link.ts";
import { saveBlob } from "./save-file.ts";
import type { Speaker } from "./speaker.ts";

/** What happened before the page was there. */
export interface Startup {
  readonly config?: BootConfig;
  readonly link?: MachineLink;
  readonly problem?: Problem;
}

export interface Progress {
  readonly loaded: number;
  readonly total: number | undefined;
}

export interface Exit {
  readonly reason: ExitReason;
  readonly detail: string;
}

/** A directory that the guest may use, in place. */
export interface Lent {
  readonly id: number;
  readonly handle: FileSystemDirectoryHandle;
  readonly readOnly: boolean;
  /** What the guest has it under, once it has it. */
  readonly name?: string;
}

/** Where the guest's console is shown; `terminal.ts` makes one. */
export interface Screen {
  /** Shows output; calls back when it is on the screen. */
  write(bytes: Uint8Array, shown: () => void): void;
  clear(): void;
  readonly columns: number;
  readonly rows: number;
}

const NO_STATS: Stats = {
  mips: 0,
  busy: 0,
  activity: { console: 0, disk: 0, network: 0, entropy: 0 },
  diskBytes: 0,
  diskCapacity: 0,
  unsavedBytes: 0,
};

/** How long an old machine may take to store its disk before it is ended, in ms. */
const CLOSE_MS = 5000;

/** Of a saved machine's file. */
const SAVED_NAME = "machine.tabvisor";

/** How long news that need no answer are shown, in ms. */
const NEWS_MS = 4000;

export class Session {
  readonly state: Signal<MachineState> = signal("loading");
  readonly stats: Signal<Stats> = signal(NO_STATS);
  readonly progress: Signal<ReadonlyMap<ImageName, Progress>> = signal(new Map());
  readonly problem: Signal<Problem | undefined> = signal(undefined);
  readonly notice: Signal<Problem | undefined> = signal(undefined);
  readonly exit: Signal<Exit | undefined> = signal(undefined);
  readonly link: Signal<{ up: boolean; reason: string }> = signal({ up: false, reason: "" });
  /** Size of what the display shows, in pixels; 0 by 0 for nothing. */
  readonly screen: Signal<{ width: number; height: number }> = signal({ width: 0, height: 0 });
  readonly cursor: Signal<CursorPicture | undefined> = signal(undefined);
  readonly isHeard: Signal<boolean> = signal(false);
  /** Counts Workers: each needs a canvas of its own. */
  readonly generation: Signal<number> = signal(0);
  readonly config: Signal<BootConfig | undefined>;
  readonly lent: Signal<readonly Lent[]> = signal([]);
  #lendings = 0;
  #speaker: Speaker | undefined;
  #machine: MachineLink | undefined;
  /** The page's address while the machine was not saved. */
  #bootAddress: string | undefined;
  #screen: Screen | undefined;

  constructor(startup: Startup) {
    this.config = signal(startup.config);
    this.#machine = startup.link;
    if (startup.problem !== undefined) this.#fail(startup.problem);
  }

  /** Output goes to `screen` from now on, what came before included. */
  attach(screen: Screen): void {
    this.#screen = screen;
    this.#machine?.listen(this.#receive);
    this.resized();
  }

  /** Sends what was typed or pasted. */
  input(bytes: Uint8Array<ArrayBuffer>): void {
    this.#machine?.send({ type: "input", bytes });
  }

  /** Tells the guest the screen's size. */
  resized(): void {
    if (this.#screen === undefined) return;
    const { columns, rows } = this.#screen;
    this.#machine?.send({ type: "resize", columns, rows });
  }

  /** Changes how much memory the guest is to have. */
  setMemory(memory: { readonly balloonMiB: number; readonly pluggedMiB: number }): void {
    this.#machine?.send({ type: "memory", ...memory });
  }

  /** Sends a message that takes one end of a channel along. @throws Error without a machine. */
  sendChannel(message: Extract<ToWorker, { channel: MessagePort }>): void {
    if (this.#machine === undefined) throw new Error("there is no machine");
    this.#machine.send(message, [message.channel]);
  }

  /** The display is painted there from now on; the canvas is moved to the Worker. */
  showDisplay(canvas: OffscreenCanvas): void {
    this.#machine?.send({ type: "canvas", canvas }, [canvas]);
  }

  /** The display's place in the page has that size now, in CSS pixels. */
  fitDisplay(width: number, height: number): void {
    this.#machine?.send({ type: "fit", width, height });
  }

  /** Passes on what a person did to the display. */
  gesture(gesture: Gesture): void {
    this.#machine?.send({ type: "gesture", gesture });
  }

  /** Switches the loudspeaker on or off. To be called because a person asked for it. */
  async toggleSound(): Promise<void> {
    if (this.#speaker === undefined) {
      const { Speaker } = await import("./speaker.ts");
      try {
        this.#speaker = await Speaker.open();
      } catch {
        const what = "This browser cannot play the guest's sound.";
        this.notice.value = { what, advice: "Open the page by https, or on this computer." };
      }
    } else {
      this.#speaker.close();
      this.#speaker = undefined;
    }
    this.isHeard.value = this.#speaker !== undefined;
    this.#tellSound();
  }

  #tellSound(): void {
    this.#machine?.send({ type: "hear", isOn: this.isHeard.value });
  }

  powerOff(): void {
    this.#machine?.send({ type: "power-off" });
  }

  /** Saves the machine into a file, and ends it. */
  save(): void {
    this.#machine?.send({ type: "save" });
  }

  /** @param breaksSeal also with a disk that a saved machine needs as it is */
  restart(breaksSeal = false): void {
    if (this.#machine === undefined) {
      // Nothing was ever started: the address itself was wrong, and may be right now.
      location.reload();
      return;
    }
    this.#fresh();
    if (this.#bootAddress !== undefined) history.replaceState(null, "", this.#bootAddress);
    this.#bootAddress = undefined;
    this.#machine.send({ type: "restart", breaksSeal });
  }

  /** Empties the disk for good and starts again. */
  resetDisk(): void {
    this.#fresh();
    this.#machine?.send({ type: "reset-disk" });
  }

  /** Makes the disk so many bytes large, for good; the guest goes on. */
  growDisk(bytes: number): void {
    this.#machine?.send({ type: "grow-disk", bytes });
  }

  /** Lets the guest use files, below /mnt/files in the embedded one. */
  share(files: readonly SharedFile[]): void {
    this.#machine?.send({ type: "share", files });
  }

  /** Lets the guest use a directory in place; a machine that is booted later may use it too. */
  lend(handle: FileSystemDirectoryHandle, readOnly: boolean): void {
    const lent = { id: ++this.#lendings, handle, readOnly };
    this.lent.value = [...this.lent.value, lent];
    this.#machine?.send({ type: "lend", ...lent });
  }

  takeBack(id: number): void {
    this.lent.value = this.lent.value.filter((lent) => lent.id !== id);
    this.#machine?.send({ type: "take-back", id });
  }

  /** Ends this machine, once its disk is stored, and boots another. */
  async boot(config: BootConfig): Promise<void> {
    await this.#closeMachine();
    this.#fresh();
    this.config.value = config;
    this.#machine = openMachine(config);
    this.#machine.listen(this.#receive);
    this.generation.value++;
    this.resized();
    this.#tellSound();
    for (const { id, handle, readOnly } of this.lent.value) {
      this.#machine.send({ type: "lend", id, handle, readOnly });
    }
  }

  #closeMachine(): Promise<void> {
    const machine = this.#machine;
    if (machine === undefined) return Promise.resolve();
    this.#machine = undefined;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        machine.terminate();
        resolve();
      };
      const timer = setTimeout(end, CLOSE_MS);
      if (this.exit.value !== undefined || this.problem.value !== undefined) return end();
      machine.listen((message) => {
        if (message.type === "exit" || message.type === "problem") end();
      });
      machine.send({ type: "power-off" });
    });
  }

  #fresh(): void {
    this.#screen?.clear();
    this.state.value = "loading";
    this.stats.value = NO_STATS;
    this.progress.value = new Map();
    this.problem.value = undefined;
    this.notice.value = undefined;
    this.exit.value = undefined;
    this.screen.value = { width: 0, height: 0 };
    this.cursor.value = undefined;
  }

  #fail(problem: Problem): void {
    this.problem.value = problem;
    this.state.value = "failed";
  }

  readonly #receive = (message: FromWorker): void => {
    switch (message.type) {
      case "progress": {
        const { image, loaded, total } = message;
        this.progress.value = new Map(this.progress.value).set(image, { loaded, total });
        break;
      }
      case "output":
        this.#show(message.bytes);
        break;
      case "state":
        this.state.value = message.state;
        break;
      case "stats":
        this.stats.value = message.stats;
        break;
      case "config":
        this.config.value = message.config;
        break;
      case "saved":
        this.#keep(message.file);
        break;
      case "exit":
        this.#ended(message);
        break;
      case "problem":
        this.#fail(message.problem);
        break;
      case "notice":
        this.notice.value = message.problem;
        break;
      case "screen":
        this.screen.value = message;
        break;
      case "cursor":
        this.cursor.value = message.cursor;
        break;
      case "sound":
        this.#speaker?.play(message);
        break;
      case "silence":
        this.#speaker?.play(null);
        break;
      case "link":
        this.link.value = message;
        break;
      case "lent": {
        const { id, name } = message;
        this.lent.value = this.lent.value.map((lent) =>
          lent.id === id ? { ...lent, name } : lent,
        );
        break;
      }
    }
  };

  /**
   * Gives the person the file. The page's address has to be another one from now on: a reload would boot
   * the machine anew, and what that writes to the disk would make the file useless.
   */
  #keep(file: Blob): void {
    saveBlob(file, SAVED_NAME);
    this.#bootAddress = location.href;
    history.replaceState(null, "", "?restore");
  }

  #ended(exit: Exit): void {
    this.exit.value = exit;
    if (exit.reason !== "reboot") {
      const { mips, busy, activity } = NO_STATS;
      this.stats.value = { ...this.stats.value, mips, busy, activity };
      return;
    }
    // The guest is on its way up again: this is only news.
    setTimeout(() => {
      if (this.exit.value === exit) this.exit.value = undefined;
    }, NEWS_MS);
  }

  #show(bytes: Uint8Array): void {
    const machine = this.#machine;
    this.#screen?.write(bytes, () => machine?.send({ type: "shown", bytes: bytes.length }));
  }
}
