/** What can be seen of a transport from outside, and what a saved machine keeps of it. */
import type { Counters, State } from "./device.ts";
import type { QueueSnapshot, QueueState } from "./queue.ts";
import type { QueueSetupState } from "./queue-setup.ts";

interface TransportCounters {
  /** Kicks without effect: a bad index, not DRIVER_OK, or a queue that is not ready. */
  ignoredKicks: number;
  configInterrupts: number;
  resets: number;
}

/** The registers that choose what others show (4.2.2). */
export interface Selectors {
  deviceFeatures: number;
  driverFeatures: number;
  queue: number;
  sharedMemory: number;
}

/**
 * Changes of the status that are remembered: several negotiations of an honest driver. A guest that
 * writes it in a loop sees the oldest go.
 */
export const STATUS_HISTORY = 32;

/** What a driver has set up so far, in registers that it cannot read back. */
export interface WrittenRegisters {
  readonly selectors: Readonly<Selectors>;
  /** One for each queue. */
  readonly setups: readonly QueueSetupState[];
  /** Values of the device status, oldest first, the present one included; `STATUS_HISTORY` at most. */
  readonly statusHistory: readonly number[];
}

/** What the inspector shows of one device; plain and structured-clonable. */
export interface TransportSnapshot {
  readonly name: string;
  readonly type: number;
  readonly status: number;
  readonly offeredFeatures: bigint;
  readonly driverFeatures: bigint;
  /** Why the driver's features were refused. */
  readonly refusal: string | undefined;
  readonly interruptStatus: number;
  readonly configGeneration: number;
  readonly needsReset: string | undefined;
  readonly queues: readonly QueueSnapshot[];
  readonly transport: Readonly<TransportCounters>;
  readonly device: Counters;
}

/** Structured-clonable state, version 1. */
export interface TransportState {
  readonly version: 1;
  readonly status: number;
  readonly interruptStatus: number;
  readonly driverFeatures: bigint;
  readonly needsReset: string | undefined;
  /** What ConfigGeneration read. */
  readonly configGeneration: number;
  /** The driver may be half-way through negotiation or the set-up of a queue. */
  readonly selectors: Readonly<Selectors>;
  readonly setups: readonly QueueSetupState[];
  readonly queues: readonly (QueueState | undefined)[];
  readonly device: State | undefined;
}
