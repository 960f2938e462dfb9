/** The contract between the virtio-MMIO transport and a device model; see `transport.ts`. */
import type { GuestMemory } from "../memory/guest-memory.ts";
import type { Virtqueue } from "./queue.ts";

/** Plain, structured-clonable state of one part, keyed by name and versioned by its owner. */
export type State = { readonly [key: string]: unknown };

/** What the transport lends to a device from DRIVER_OK until reset. */
export interface DeviceIo {
  readonly memory: GuestMemory;
  /** One per entry of `queueSizes`; a queue that the driver left unset is not ready. */
  readonly queues: readonly Virtqueue[];
  /** The negotiated features, transport bits included. */
  readonly features: bigint;
  /** Config space changed: bumps ConfigGeneration and sends a configuration change interrupt. */
  configChanged(): void;
  /** Sends DEVICE_NEEDS_RESET with a reason that the inspector shows. */
  needsReset(reason: string): void;
}

/** Device-specific configuration space: little-endian bytes, guest accesses of any width. */
export interface ConfigSpace {
  readonly size: number;
  /** One byte; the transport composes wider reads. Past `size` the transport answers 0. */
  readByte(offset: number): number;
  /** Writes by the guest; read-only fields ignore them. */
  write(offset: number, size: number, value: number): void;
}

export interface VirtioDevice {
  /** Device ID of the virtio specification, chapter 5. */
  readonly type: number;
  /** A short name for logs and the inspector, such as `blk0`. */
  readonly name: string;
  /** What the device offers beside the transport's own bits. */
  readonly features: bigint;
  /** The maximum size of each queue. */
  readonly queueSizes: readonly number[];
  readonly config: ConfigSpace;
  /** DRIVER_OK. */
  activate(io: DeviceIo): void;
  /** The driver kicked queue `index`. */
  notify(index: number): void;
  /** Back to the state at power-on; requests in flight never touch the guest again. */
  reset(): void;
  /** Gives back what the device holds on the host. */
  dispose?(): void;
}
