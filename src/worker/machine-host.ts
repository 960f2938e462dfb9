/** Owns the Worker's one machine: does what the page asks, and tells it what happens. */
import type { DiskSeed } from "../host/disk-seed.ts";
import type { DiskFault } from "../host/guest-disk.ts";
import { SharedFiles } from "../host/shared-files.ts";
import { type DiskRoom, eraseDisk, type OpenedDisk, openDisk } from "../host/stored-disk.ts";
import type { MachineExit } from "../machine/machine-types.ts";
import { type BootFiles, fetchBootFiles, loadSeed, openBase, reporter } from "./boot-files.ts";
import type { DisksInUse } from "./disk-manager.ts";
import { Guest } from "./guest.ts";
import { MessageStreams } from "./message-streams.ts";
import { baseNotice, problemOf, storageNotice, textOf } from "./problems.ts";
import {
  type BootConfig,
  canBeSaved,
  type DiskConfig,
  type ExitReason,
  type ImageSource,
  type MachineState,
  type Problem,
  type SharedFile,
  type ToWorker,
} from "./protocol.ts";
import type { SavedFile } from "./saved-machine.ts";
import type { Services } from "./services.ts";

/** Time between two reports to the page, in ms. */
const REPORT_MS = 200;

/** While nothing happens, only every so many reports is sent: drawing them is most of the cost. */
const QUIET_REPORTS = 10;

/** A kernel that panicked may print for this long, in ms, before the machine is held. */
export const PANIC_GRACE_MS = 2000;

/** A guest that restarts this often… */
export const MAX_QUICK_REBOOTS = 5;

/** …within so many ms of its start each time will never come up, and would do it for ever. */
const QUICK_REBOOT_MS = 3000;

/** Size in bytes of a new persistent memory: all of it is in the machine's memory. */
const DEFAULT_PMEM_BYTES = 64 << 20;

const MIB = 2 ** 20;

/** Why a machine is held although it did not end itself. */
interface End {
  readonly reason: ExitReason;
  readonly detail: string;
}

const SWITCHED_OFF: End = { reason: "switched-off", detail: "" };

export class MachineHost {
  readonly #services: Services;
  /** Outlives a restart of the machine. */
  readonly #shared: SharedFiles;
  /** Names of lent directories by the page's numbers for them. */
  readonly #lent = new Map<number, string>();
  #config: BootConfig | undefined;
  #files: BootFiles | undefined;
  #guest: Guest | undefined;
  #state: MachineState = "loading";
  #size = { columns: 80, rows: 24 };
  #canvas: OffscreenCanvas | undefined;
  /** Of the display's place in the page. */
  #place: { readonly width: number; readonly height: number } | undefined;
  #isHeard = false;
  #cancelReport: () => void = () => {};
  #cancelPanic: () => void = () => {};
  #startedAt = 0;
  #quietReports = 0;
  /** The browser refused to store something, and has not stored it since. */
  #isUnstored = false;
  /** While a machine is being started, what ends that. */
  #starting: AbortController | undefined;
  #quickReboots = 0;
  /** A disk may be used although a saved machine needs it as it is. */
  #breaksSeal = false;
  /** Commands that change what runs are done one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(services: Services) {
    this.#services = services;
    this.#shared = new SharedFiles(() => services.clock.wallClockMs());
  }

  receive(message: ToWorker): void {
    switch (message.type) {
      case "boot":
        this.#config = message.config;
        this.#queue(() => this.#start(message.config));
        break;
      case "input":
        this.#type(message.bytes);
        break;
      case "shown":
        this.#guest?.console.shown(message.bytes);
        break;
      case "share":
        this.#share(message.files);
        break;
      case "lend":
        this.#lend(message);
        break;
      case "take-back":
        void this.#shared.tree.takeBack(this.#lent.get(message.id) ?? "");
        this.#lent.delete(message.id);
        break;
      case "resize":
        this.#size = message;
        this.#guest?.resize(message.columns, message.rows);
        break;
      case "memory":
        this.#guest?.resizeMemory(message);
        break;
      case "connect":
      case "listen":
        if (this.#guest !== undefined) this.#guest.links.receive(message);
        else new MessageStreams(message.channel).fail("the machine has not started");
        break;
      case "manage":
        void import("./host-port.ts").then(({ serveHost }) =>
          serveHost(message.channel, this.#services, this.#disksInUse),
        );
        break;
      case "inspect":
        void import("./inspector-port.ts").then(({ serveInspector }) =>
          serveInspector(message.channel, () => this.#guest?.subject),
        );
        break;
      case "canvas":
        this.#canvas = message.canvas;
        this.#guest?.media.show(message.canvas);
        break;
      case "fit":
        this.#place = message;
        this.#guest?.media.fit(message);
        break;
      case "gesture":
        this.#guest?.media.act(message.gesture);
        break;
      case "hear":
        this.#isHeard = message.isOn;
        this.#guest?.media.hear(message.isOn);
        break;
      case "power-off":
        this.#powerOff();
        break;
      case "restart":
        this.#queue(() => this.#restart(message.breaksSeal === true));
        break;
      case "save":
        this.#queue(() => this.#save());
        break;
      case "reset-disk":
        this.#queue(() => this.#resetDisk());
        break;
      case "grow-disk":
        this.#queue(() => this.#growDisk(message.bytes));
        break;
    }
  }

  /** For whoever works on the disks in this browser's storage. */
  readonly #disksInUse: DisksInUse = {
    disks: () => {
      if (this.#guest === undefined) return [];
      return [this.#config?.disk, this.#config?.pmem].filter((disk) => disk !== undefined);
    },
    open: (name) => this.#guest?.diskOf(name),
    flush: async () => this.#guest?.flush(),
  };

  get #room(): DiskRoom {
    const { indexedDB, locks, files } = this.#services;
    return { factory: indexedDB, locks, files };
  }

  #queue(work: () => Promise<unknown>): void {
    this.#work = this.#work.then(work).then(
      () => {},
      (error: unknown) => this.#fail(error),
    );
  }

  #powerOff(): void {
    if (this.#starting !== undefined) this.#starting.abort();
    else this.#queue(() => this.#end(SWITCHED_OFF, "stopped"));
  }

  #fail(error: unknown): void {
    this.#stopTimers();
    this.#enter("failed");
    this.#services.post({ type: "problem", problem: problemOf(error) });
  }

  /** Makes a machine and boots it. What was opened for it is closed again on a failure. */
  async #start(asked: BootConfig): Promise<void> {
    this.#enter("loading");
    const starting = new AbortController();
    this.#starting = starting;
    const opened = await this.#openSaved(asked, starting);
    if (opened === undefined) return;
    const { config, file } = opened;
    // It has the seal's name, and is refused with another.
    if (file !== undefined) this.#breaksSeal = true;
    const fetching = this.#fetch(config, starting.signal);
    const opening = this.#openDisk(config.disk);
    // The machine itself is made while those are on their way.
    const making = this.#make(config);
    try {
      const [files, disk, guest] = await Promise.all([fetching, opening, making]);
      guest.resize(this.#size.columns, this.#size.rows);
      if (this.#canvas !== undefined) guest.media.show(this.#canvas);
      if (this.#place !== undefined) guest.media.fit(this.#place);
      guest.media.hear(this.#isHeard);
      await guest.boot(files, disk, file);
      this.#config = config;
      this.#guest = guest;
    } catch (error) {
      const guest = await making.catch(() => undefined);
      await guest?.dispose();
      const disk = await opening.catch(() => undefined);
      await disk?.close();
      if (!starting.signal.aborted) throw error;
      return this.#end(SWITCHED_OFF, "stopped");
    } finally {
      this.#starting = undefined;
    }
    this.#started();
  }

  /** The machine that is asked for, and the file to go on with; undefined if it was given up. */
  async #openSaved(
    config: BootConfig,
    starting: AbortController,
  ): Promise<(Partial<SavedFile> & { config: BootConfig }) | undefined> {
    if (config.saved === undefined) return { config };
    const { fetch } = this.#services;
    const name = "saved machine";
    try {
      const { openSaved } = await import("./saved-machine.ts");
      const onProgress = reporter(name, this.#services);
      const { signal } = starting;
      const opened = await openSaved({ name, source: config.saved, fetch, signal, onProgress });
      this.#services.post({ type: "config", config: opened.config });
      return opened;
    } catch (error) {
      this.#starting = undefined;
      if (!starting.signal.aborted) throw error;
      await this.#end(SWITCHED_OFF, "stopped");
      return undefined;
    }
  }

  async #save(): Promise<void> {
    const [guest, config, state] = [this.#guest, this.#config, this.#state];
    if (guest === undefined || config === undefined || !canBeSaved(state)) return;
    this.#enter("saving");
    try {
      const { noteOf } = await import("./saved-machine.ts");
      const file = await guest.save(noteOf(config));
      this.#services.post({ type: "saved", file });
    } catch (error) {
      this.#enter(state);
      this.#tell(problemOf(error));
      return;
    }
    await this.#end({ reason: "saved", detail: "" }, "stopped");
  }

  async #fetch(config: BootConfig, cancel: AbortSignal): Promise<BootFiles> {
    // A machine that starts again with an empty disk boots the same files.
    this.#files ??= await fetchBootFiles(config, this.#services, cancel);
    return this.#files;
  }

  async #make(config: BootConfig): Promise<Guest> {
    const events = {
      onExit: (exit: MachineExit) => this.#exited(exit),
      onPanic: (message: string) => this.#panicked(message),
    };
    const pmem = await this.#openDisk(config.pmem, DEFAULT_PMEM_BYTES);
    try {
      return await new Guest(config, this.#services, this.#shared.tree, events, pmem).load();
    } catch (error) {
      await pmem?.close();
      throw error;
    }
  }

  /** `usual` is the size of a disk that does not exist yet, and of which nothing else is said. */
  async #openDisk(disk: DiskConfig | undefined, usual?: number): Promise<OpenedDisk | undefined> {
    if (disk === undefined) return undefined;
    const troubled = (error: unknown) => this.#baseTroubled(error);
    const base = disk.base && (await openBase(disk.base, this.#services, troubled));
    const unsaid = base === undefined ? usual : undefined;
    const size = disk.sizeMiB === undefined ? unsaid : disk.sizeMiB * MIB;
    return openDisk({
      name: disk.name,
      ...this.#room,
      ...(disk.store === "indexeddb" && { files: undefined }),
      keepsSeal: !this.#breaksSeal && disk.readOnly !== true,
      onFault: (error, what) => this.#storageFailed(error, what),
      ...(base && { base }),
      ...(size !== undefined && { size }),
      ...(disk.seed && { seed: () => this.#loadSeed(disk.seed) }),
    });
  }

  /** A disk without its seed is blank, and the guest formats it. */
  async #loadSeed(source: ImageSource | undefined): Promise<DiskSeed | undefined> {
    return source && loadSeed(source, this.#services).catch(() => undefined);
  }

  #storageFailed(error: unknown, what: DiskFault): void {
    if (what === "store") this.#isUnstored = true;
    this.#tell(storageNotice(error, what));
  }

  /** The server of the disk image fails, or no longer does. */
  #baseTroubled(error: unknown): void {
    if (error !== undefined) this.#tell(baseNotice(error));
    else if (!this.#isUnstored) this.#allIsWell();
  }

  #started(): void {
    this.#startedAt = this.#services.clock.nowMs();
    this.#enter("running");
    this.#report();
  }

  #share(files: readonly SharedFile[]): void {
    const refused = files.filter(({ path, file }) => !this.#shared.add(path, file));
    if (refused.length === 0) return;
    const what = `The guest cannot have ${refused.length} of the files, such as ${refused[0].path}.`;
    this.#tell({ what, advice: "Give them other names." });
  }

  #lend({ id, handle, readOnly }: Extract<ToWorker, { type: "lend" }>): void {
    const name = this.#shared.tree.lend(handle, readOnly);
    this.#lent.set(id, name);
    this.#services.post({ type: "lent", id, name });
  }

  #type(bytes: Uint8Array): void {
    if (this.#guest?.console.type(bytes) !== false) return;
    const what = "The paste is longer than the guest's console can take.";
    this.#tell({ what, advice: "Nothing of it was sent." });
  }

  async #restart(breaksSeal: boolean): Promise<void> {
    this.#quickReboots = 0;
    this.#breaksSeal = breaksSeal;
    if (this.#guest !== undefined) this.#reset(this.#guest);
    else if (this.#config !== undefined) await this.#start(this.#config);
  }

  #reset(guest: Guest): void {
    this.#stopTimers();
    guest.reset();
    this.#started();
  }

  async #resetDisk(): Promise<void> {
    const config = this.#config;
    if (config?.disk === undefined) return;
    this.#stopTimers();
    const guest = this.#guest;
    this.#guest = undefined;
    // What could not be stored is erased anyway.
    await guest?.dispose().catch(() => {});
    await eraseDisk(config.disk.name, this.#room);
    await this.#start(config);
  }

  async #growDisk(bytes: number): Promise<void> {
    try {
      await this.#guest?.growDisk(bytes);
      this.#quietReports = 0;
      this.#measure();
    } catch (error) {
      const what = `The disk could not be made larger: ${textOf(error)}.`;
      this.#tell({ what, advice: "It is as large as it was, and nothing on it is lost." });
    }
  }

  /** Called at the end of a slice; the machine has stopped. */
  #exited(exit: MachineExit): void {
    switch (exit.kind) {
      case "reboot":
        this.#rebooted();
        break;
      case "error":
        this.#queue(() => this.#broken(exit.error));
        break;
      case "fail":
        this.#queue(() => this.#end({ reason: "fail", detail: `Code ${exit.code}` }, "stopped"));
        break;
      default:
        this.#queue(() => this.#end({ reason: "poweroff", detail: "" }, "stopped"));
    }
  }

  /** The monitor itself failed: the next start makes a new machine. */
  async #broken(error: unknown): Promise<void> {
    const guest = this.#guest;
    this.#guest = undefined;
    await guest?.dispose();
    throw error;
  }

  #rebooted(): void {
    const lived = this.#services.clock.nowMs() - this.#startedAt;
    this.#quickReboots = lived < QUICK_REBOOT_MS ? this.#quickReboots + 1 : 0;
    if (this.#quickReboots >= MAX_QUICK_REBOOTS) {
      const detail = "It restarts again and again right after its start.";
      this.#queue(() => this.#end({ reason: "fail", detail }, "stopped"));
      return;
    }
    this.#services.post({ type: "exit", reason: "reboot", detail: "" });
    this.#queue(async () => this.#guest && this.#reset(this.#guest));
  }

  #panicked(message: string): void {
    this.#enter("panic");
    // A kernel told to restart after a panic does so itself, which ends this wait.
    const restartS = Number(/\bpanic=(\d+)/.exec(this.#config?.append ?? "")?.[1] ?? 0);
    const wait = PANIC_GRACE_MS + restartS * 1000;
    this.#cancelPanic();
    this.#cancelPanic = this.#services.sleep(wait, () =>
      this.#queue(() => this.#end({ reason: "panic", detail: message }, "panic")),
    );
  }

  /** Holds the machine and tells the page why, once all that the guest wrote is durable. */
  async #end({ reason, detail }: End, state: MachineState): Promise<void> {
    this.#stopTimers();
    this.#guest?.pause();
    try {
      await this.#guest?.flush();
    } catch (error) {
      const what = `What the guest wrote last could not be stored: ${textOf(error)}.`;
      this.#tell({ what, advice: "Free some space, and start again before you close this tab." });
    }
    this.#measure();
    this.#enter(state);
    this.#services.post({ type: "exit", reason, detail });
  }

  /** Tells the page about the machine now and then until it stops. */
  #report(): void {
    this.#cancelReport = this.#services.sleep(REPORT_MS, () => {
      this.#measure();
      this.#report();
    });
  }

  #measure(): void {
    if (this.#guest === undefined) return;
    const { stats, isIdle, isHeld } = this.#guest.measure();
    if (this.#isUnstored && stats.unsavedBytes === 0) {
      this.#isUnstored = false;
      this.#allIsWell();
    }
    const isQuiet = isIdle && Object.values(stats.activity).every((bytes) => bytes === 0);
    this.#quietReports = isQuiet ? this.#quietReports + 1 : 0;
    // The first quiet one puts the lights out.
    if (this.#quietReports % QUIET_REPORTS < 2) this.#services.post({ type: "stats", stats });
    if (this.#state === "running" || this.#state === "idle" || this.#state === "held") {
      this.#enter(isHeld ? "held" : isIdle ? "idle" : "running");
    }
  }

  #stopTimers(): void {
    this.#cancelReport();
    this.#cancelPanic();
  }

  /** Of something that is not as wished, although the machine goes on. */
  #tell(problem: Problem): void {
    this.#services.post({ type: "notice", problem });
  }

  #allIsWell(): void {
    this.#services.post({ type: "notice" });
  }

  #enter(state: MachineState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#services.post({ type: "state", state });
  }
}
