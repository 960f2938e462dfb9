/** Every message between the page and the Worker that owns the machine: one union each way. */
import type { StoredDisk } from "../host/disk-library.ts";
import type { LogEntry } from "../machine/log.ts";
import type { MemoryOptions } from "../machine/memory-devices.ts";
import type { LogLevel } from "../virtio/report.ts";

export { DISK_NAME_PATTERN } from "../host/disk-name.ts";
export { SAVED_MAGIC } from "../machine/saved/magic.ts";
export type { LogEntry, LogLevel };

/** A file to boot from: an absolute address to fetch, or one that a person picked. */
export type ImageSource =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "file"; readonly file: File };

export interface DiskConfig {
  /** The disk's name in this browser's storage. */
  readonly name: string;
  /** The read-only image under it. */
  readonly base?: ImageSource;
  /** What a disk that does not exist yet begins with; see `host/disk-seed.ts`. */
  readonly seed?: ImageSource;
  /** Capacity of a disk that does not exist yet; default: its base's, or the usual one. */
  readonly sizeMiB?: number;
  /** Where a disk that does not exist yet is kept; else in files where the browser has such. */
  readonly store?: "indexeddb";
  readonly readOnly?: boolean;
}

/** Devices that are about memory. */
export interface MemoryConfig extends MemoryOptions {
  /** Where the guest can map shared files; absent for nowhere. */
  readonly daxMiB?: number;
}

export interface DisplayConfig {
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** Whether it takes the size of its place in the page instead, once that is known. */
  readonly isFitted?: boolean;
}

/** What to boot. The page makes it from its address and from picked files. */
export interface BootConfig {
  readonly kernel?: ImageSource;
  readonly initrd?: ImageSource;
  readonly firmware?: ImageSource;
  /** The kernel's command line. */
  readonly append: string;
  readonly ramMiB: number;
  readonly memory?: MemoryConfig;
  /** Absent for a machine without a disk. */
  readonly disk?: DiskConfig;
  /** Names of console ports; absent for a machine that has none and gets none. */
  readonly ports?: readonly string[];
  /** The guest's context identifier; absent for a machine without sockets. */
  readonly vsockCid?: number;
  /** How files are shared with the guest; by virtio-fs unless it says so. */
  readonly share?: "9p";
  /** A disk that is memory of the guest. */
  readonly pmem?: DiskConfig;
  /** Address of the relay's LAN; absent for a machine without a network. */
  readonly relay?: string;
  /** What virtio devices offer where not the usual, such as `blk0:packed,-EVENT_IDX`. */
  readonly virtio?: readonly string[];
  /** Absent for a machine without a display, a keyboard and pointers. */
  readonly display?: DisplayConfig;
  /** Whether the machine has a sound card. */
  readonly sound?: boolean;
  /** Whether it has a crypto device. */
  readonly crypto?: boolean;
  /** Whether it has an RTC device, beside the clock of its board. */
  readonly rtc?: boolean;
  /** A saved machine to go on with: all else is as its file says. */
  readonly saved?: ImageSource;
}

/** Something that a person did to the display. Places are from 0 to 1, from its left and top. */
export type Gesture =
  /** A key by its `KeyboardEvent.code`. */
  | { readonly kind: "key"; readonly code: string; readonly isDown: boolean }
  | { readonly kind: "move"; readonly x: number; readonly y: number }
  /** A button by its `MouseEvent.button`. */
  | { readonly kind: "button"; readonly button: number; readonly isDown: boolean }
  /** In notches. */
  | { readonly kind: "wheel"; readonly right: number; readonly down: number }
  | { readonly kind: "touch"; readonly finger: number; readonly x: number; readonly y: number }
  | { readonly kind: "lift"; readonly finger: number }
  /** Keys, buttons and fingers count as lifted. */
  | { readonly kind: "leave" };

/** A pointer's picture: 64 by 64 pixels, R, G, B and A. */
export interface CursorPicture {
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly hotX: number;
  readonly hotY: number;
}

/** Of interleaved samples. */
export interface SoundFormat {
  readonly sample: "u8" | "s16" | "s32" | "float";
  readonly channels: number;
  /** Frames per second. */
  readonly rate: number;
}

/** Something in the guest that bytes can be exchanged with. */
export type StreamTarget =
  | { readonly kind: "port"; readonly name: string }
  /** A port of the guest's sockets. */
  | { readonly kind: "vsock"; readonly port: number; readonly seqpacket: boolean };

export type ToWorker =
  /** Starts a machine; the first message, and only once. */
  | { readonly type: "boot"; readonly config: BootConfig }
  /** Bytes typed or pasted. */
  | { readonly type: "input"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The terminal has shown `bytes` more bytes of output: see `OUTPUT_WINDOW`. */
  | { readonly type: "shown"; readonly bytes: number }
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  /** The guest may use these files from now on. */
  | { readonly type: "share"; readonly files: readonly SharedFile[] }
  /** The guest may use this directory from now on, in place; answered by "lent". */
  | {
      readonly type: "lend";
      readonly id: number;
      readonly handle: FileSystemDirectoryHandle;
      readonly readOnly: boolean;
    }
  /** The guest may no longer use a directory. */
  | { readonly type: "take-back"; readonly id: number }
  /** Changes how much memory the guest is to have. */
  | { readonly type: "memory"; readonly balloonMiB: number; readonly pluggedMiB: number }
  /** Connects; the other end of `channel` has `MessageStreams`. */
  | { readonly type: "connect"; readonly target: StreamTarget; readonly channel: MessagePort }
  /**
   * From now on connections of the guest to this port of the host arrive on `channel`, each as a
   * `MessagePort` with `MessageStreams` behind it; any message on `channel` ends that.
   */
  | {
      readonly type: "listen";
      readonly port: number;
      readonly seqpacket: boolean;
      readonly channel: MessagePort;
    }
  /** Calls of `HostCalls` arrive on `channel`. */
  | { readonly type: "manage"; readonly channel: MessagePort }
  /** Calls of an inspector arrive on `channel`: see `inspect/calls.ts`. */
  | { readonly type: "inspect"; readonly channel: MessagePort }
  /** Where the display is to be painted; moved, and good for this Worker's life. */
  | { readonly type: "canvas"; readonly canvas: OffscreenCanvas }
  /** The size of the display's place in the page, in CSS pixels: a display that is fitted takes it. */
  | { readonly type: "fit"; readonly width: number; readonly height: number }
  | { readonly type: "gesture"; readonly gesture: Gesture }
  /** Whether the page has a loudspeaker that is on; at first it has not. */
  | { readonly type: "hear"; readonly isOn: boolean }
  /** Stops the machine at once, as the switch on a wall does; what it wrote is stored. */
  | { readonly type: "power-off" }
  /**
   * Starts the machine again from reset, whatever it does now; with `breaksSeal` also with a disk that a
   * saved machine needs as it is.
   */
  | { readonly type: "restart"; readonly breaksSeal?: boolean }
  /** Saves the machine, ends it and gives its file by "saved"; if that cannot be, it goes on. */
  | { readonly type: "save" }
  /** Stops the machine, empties its disk for good and starts again. */
  | { readonly type: "reset-disk" }
  /** Makes the disk so many bytes large, for good, while the machine runs. */
  | { readonly type: "grow-disk"; readonly bytes: number };

/** A disk, and whether this Worker's machine has it. */
export interface ListedDisk extends StoredDisk {
  readonly isOurs: boolean;
}

/** Work on a disk that takes its time. */
export interface DiskJob {
  readonly id: number;
  readonly kind: "export" | "import";
  readonly disk: string;
  /** In bytes; a `total` of 0 is not known yet. */
  readonly done: number;
  readonly total: number;
  readonly state: "running" | "done" | "failed";
  /** Why it failed. */
  readonly error?: string;
}

/** What a page can ask whether there is a machine or not. A call rejects with words for the person. */
export interface HostCalls {
  /** What happened, from entry number `from` on, oldest first. */
  log(from: number): Promise<readonly LogEntry[]>;
  disks(): Promise<readonly ListedDisk[]>;
  /** Begins to make a raw image of a disk, or a gzip file with one; gives the job's id. */
  exportDisk(name: string, isPacked: boolean): Promise<number>;
  /** Begins to make a disk of an image; gives the job's id. */
  importDisk(name: string, file: Blob): Promise<number>;
  /** Deletes a disk for good. */
  deleteDisk(name: string): Promise<void>;
  diskJobs(): Promise<readonly DiskJob[]>;
  /** What an export that is done has made. */
  exported(job: number): Promise<Blob>;
  /** Forgets a job; one that runs is ended first, and leaves nothing behind. */
  endDiskJob(job: number): Promise<void>;
}

/** A file that a person shares with the guest. */
export interface SharedFile {
  /** Where the guest finds it, below the share: names with "/" between them. */
  readonly path: string;
  readonly file: File;
}

/** `idle` is a running guest that has next to nothing to do; `held` one that a debugger has stopped. */
export type MachineState =
  | "loading"
  | "running"
  | "idle"
  | "held"
  | "saving"
  | "stopped"
  | "panic"
  | "failed";

/** Whether there is a machine whose state can be saved. */
export const canBeSaved = (state: MachineState): boolean =>
  state === "running" || state === "idle" || state === "held";

export type ImageName = "kernel" | "initramfs" | "firmware" | "disk image" | "saved machine";

/** What happened and what to do about it: each a sentence. */
export interface Problem {
  readonly what: string;
  readonly advice: string;
  /** A way out that the page can offer as a button. */
  readonly remedy?: "no-disk" | "reset-disk" | "start-anew";
}

/** Why a machine came to its end. */
export type ExitReason = "poweroff" | "reboot" | "panic" | "fail" | "switched-off" | "saved";

/** Device activity since the last report, each a count of bytes. */
export interface Activity {
  readonly console: number;
  readonly disk: number;
  readonly network: number;
  readonly entropy: number;
}

/** What the guest said last of its memory; it may leave out anything. */
export interface MemoryStats {
  readonly balloon?: { readonly bytes: number; readonly targetBytes: number };
  /** What is plugged, what should be and what can be at most. */
  readonly hotplug?: {
    readonly bytes: number;
    readonly requestedBytes: number;
    readonly mostBytes: number;
  };
  readonly freeBytes?: number;
  readonly availableBytes?: number;
  readonly totalBytes?: number;
}

export interface Stats {
  /** Millions of guest instructions per second since the last report. */
  readonly mips: number;
  /** The share of the time since the last report in which the hart ran, 0 to 1. */
  readonly busy: number;
  readonly activity: Activity;
  /** Bytes of storage that the disk takes. */
  readonly diskBytes: number;
  /** Bytes that the guest sees; 0 without a disk. */
  readonly diskCapacity: number;
  /** Bytes written that would be lost if the tab died now. */
  readonly unsavedBytes: number;
  /** Absent for a machine that cannot tell. */
  readonly memory?: MemoryStats;
}

export type FromWorker =
  /** One image is being fetched; `total` is unknown when the server does not tell. */
  | {
      readonly type: "progress";
      readonly image: ImageName;
      readonly loaded: number;
      readonly total: number | undefined;
    }
  /** Bytes the guest wrote to its console. */
  | { readonly type: "output"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "state"; readonly state: MachineState }
  | { readonly type: "stats"; readonly stats: Stats }
  | { readonly type: "exit"; readonly reason: ExitReason; readonly detail: string }
  /** The machine could not start, or cannot go on. */
  | { readonly type: "problem"; readonly problem: Problem }
  /** What a saved machine's file says of it. */
  | { readonly type: "config"; readonly config: BootConfig }
  | { readonly type: "saved"; readonly file: Blob }
  /** Something is not as wished but the machine goes on; without a problem, all is well again. */
  | { readonly type: "notice"; readonly problem?: Problem }
  /** The guest has a lent directory under this name, below the share. */
  | { readonly type: "lent"; readonly id: number; readonly name: string }
  /** What the display shows has that size now; 0 by 0 when it shows nothing. */
  | { readonly type: "screen"; readonly width: number; readonly height: number }
  | { readonly type: "cursor"; readonly cursor?: CursorPicture }
  /** Samples to be played after those before. */
  | {
      readonly type: "sound";
      readonly format: SoundFormat;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  /** Samples that have not been played are not to be. */
  | { readonly type: "silence" }
  | { readonly type: "link"; readonly up: boolean; readonly reason: string };

/**
 * Bytes of output that may be on their way to the terminal. When the terminal is slower than the
 * guest, the console stops taking output at this point until some is shown; it also bounds what is
 * still to be seen after Ctrl-C.
 */
export const OUTPUT_WINDOW = 256 << 10;
