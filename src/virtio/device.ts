/** The contract between the virtio-MMIO transport and a device model; see `transport.ts`. */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { MemoryWindow } from "../memory/memory-window.ts";
import type { Virtqueue } from "./queue.ts";

/** Plain, structured-clonable state of one part, keyed by name and versioned by its owner. */
export type State = { readonly [key: string]: unknown };

/** What the transport lends to a device from DRIVER_OK until reset; without effect afterwards. */
export interface DeviceIo {
  readonly memory: GuestMemory;
  /** One per entry of `queueSizes`; a queue that the driver left unset is not ready. */
  readonly queues: readonly Virtqueue[];
  /** The negotiated features, transport bits included. */
  readonly features: bigint;
  /** Sends a configuration change interrupt, after the config space has changed. */
  configChanged(): void;
  /**
   * Counts bytes touched beside those of chains: a guest that causes too many waits, and the host is
   * served first; see `work.ts`.
   */
  spend(bytes: number): void;
  /** Sends DEVICE_NEEDS_RESET with a reason that the inspector shows. */
  needsReset(reason: string): void;
}

/** Device-specific configuration space: little-endian bytes, guest accesses of any width. */
export interface ConfigSpace {
  readonly size: number;
  /** Changes whenever the device changes a field: the ConfigGeneration register (2.5). */
  readonly generation: number;
  /** One byte; the transport composes wider reads. Past `size` the transport answers 0. */
  readByte(offset: number): number;
  /** Writes by the guest, wholly inside `size`; read-only fields ignore them. */
  write(offset: number, size: number, value: number): void;
}

/** A feature that may only be accepted together with at least one of others. */
export interface FeatureDependency {
  readonly feature: number;
  readonly anyOf: readonly number[];
}

/** Guest physical addresses that the device shares with the driver (2.10). */
export interface SharedMemoryRegion {
  readonly id: number;
  readonly base: number;
  /** In bytes. */
  readonly length: number;
}

/** Cheap numbers for the inspector, by name; reading them changes nothing. */
export type Counters = Readonly<Record<string, number>>;

/** What the specification calls a device and its parts, for those who look at it. */
interface DeviceNames {
  /** The kind of device, such as `Block device`. */
  readonly title: string;
  /** Where the specification describes it; its third section has the feature bits. */
  readonly chapter?: string;
  /** Feature bits. */
  readonly features?: Readonly<Record<string, number>>;
  /** Offsets of configuration fields; what is at the end of the space or behind it is none. */
  readonly config?: Readonly<Record<string, number>>;
  /** Which of the counters count bytes that were moved for the guest. */
  readonly traffic?: readonly string[];
  /** Which of the counters, in bytes, rise and fall, so that how they went is worth seeing. */
  readonly levels?: readonly string[];
}

export interface VirtioDevice {
  /** Device ID of the virtio specification, chapter 5. */
  readonly type: number;
  /** A short name for logs and the inspector, such as `blk0`. */
  readonly name: string;
  /** What the device offers beside the transport's own bits. */
  readonly features: bigint;
  readonly dependencies?: readonly FeatureDependency[];
  /** The maximum size of each queue. */
  readonly queueSizes: readonly number[];
  readonly config: ConfigSpace;
  readonly names?: DeviceNames;
  readonly sharedMemory?: readonly SharedMemoryRegion[];
  /** FEATURES_OK: the driver's choice, before it relies on the configuration space (3.1.1). */
  negotiated?(features: bigint): void;
  /** DRIVER_OK; the transport then calls `notify` once for every queue that is ready. */
  activate(io: DeviceIo): void;
  /** The driver kicked queue `index`, which is ready. */
  notify(index: number): void;
  /** Back to the state at power-on; requests in flight never touch the guest again. */
  reset(): void;
  /** The whole machine starts anew; comes after `reset`. */
  systemReset?(): void;
  /** Gives back what the device holds on the host. */
  dispose?(): void;
  counters?(): Counters;
  /** State beside the config space and the queues, which the transport saves. */
  save?(): State;
  /** After `activate`, if the device was active when saved; what cannot have survived is told the guest. */
  load?(state: State): void;
  /** Requests that the host works on. A machine is saved when there are none. */
  readonly underWay?: number;
  /** Why it cannot be saved now, as the end of a sentence that begins with its name; undefined if it can. */
  readonly obstacle?: string | undefined;
  /** Guest memory that is the device's and nowhere else: it is saved as RAM is. */
  readonly ownMemory?: MemoryWindow;
  /**
   * For a device with storage of its own, which a saved machine does not contain: makes durable what the
   * guest has written, and names what is stored. The name is good until the first write after that.
   */
  seal?(): Promise<string>;
  /** The name that `seal` gave, if nothing was written since. */
  sealed?(): Promise<string | undefined>;
}
