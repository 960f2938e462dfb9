/** What goes into a machine and comes out of it. */
import type { PrivilegeMode } from "../cpu/hart-port.ts";
import type { FinishRequest } from "../platform/test-finisher.ts";
import type { TransportSnapshot } from "../virtio/transport-state.ts";
import type { Clock } from "./clock.ts";
import type { InterruptControllerKind } from "./device-tree.ts";
import type { HartModel } from "./hart-model.ts";
import type { ProfileName } from "./profile.ts";
import type { SliceResult } from "./run-loop.ts";
import type { VirtioRule } from "./virtio-rules.ts";

const MIB = 1024 * 1024;

export const MIN_RAM_BYTES = 32 * MIB;
/** With windows. Linear memory ends at 4 GiB, and the hart's own state is in it too. */
export const MAX_RAM_BYTES = 2048 * MIB;
export const DEFAULT_RAM_BYTES = 256 * MIB;

/** Why a machine came to its end. */
export type MachineExit =
  | FinishRequest
  /** Every hart has stopped itself: nothing can happen any more. */
  | { readonly kind: "halt" }
  /** The monitor itself failed. */
  | { readonly kind: "error"; readonly error: unknown };

interface MachineEvents {
  /** The guest ended, in the slice that now returns "stopped"; `reset` starts it again. */
  onExit(exit: MachineExit): void;
  /** A Linux kernel announced a panic; it goes on printing, and restarts or not as it was told. */
  onPanic(message: string): void;
  /** A console printed. False asks virtio consoles to hold output back until `consoles.drain()`. */
  onConsole(port: string, bytes: Uint8Array): boolean;
  /** Console input that was refused may be offered again. */
  onInputSpace(): void;
  /** A device gave an idle machine something to do: run a slice. */
  onWake(): void;
}

export interface MachineOptions {
  /** Default: the RISC-V hart of this project. */
  readonly hart?: HartModel;
  readonly clock: Clock;
  /** Fills the bytes with random numbers. */
  readonly entropy: (bytes: Uint8Array) => void;
  /** A whole number of MiB; default 256 MiB. */
  readonly ramBytes?: number;
  /** For memory above RAM that devices provide: whole blocks of 2 MiB; default none. */
  readonly windowBytes?: number;
  readonly profile?: ProfileName;
  readonly interruptController?: InterruptControllerKind;
  /** Whether RAM is shared memory. */
  readonly shared?: boolean;
  /** What the virtio slots offer, where not the usual. */
  readonly virtio?: readonly VirtioRule[];
  readonly events?: Partial<MachineEvents>;
}

export interface BootRequest {
  /** Linux Image, or ELF; with firmware any payload for S-mode. Decompressed. */
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  /** The kernel command line. */
  readonly append?: string;
  /** What runs at reset in M-mode; without it the monitor itself answers SBI calls. */
  readonly firmware?: Uint8Array;
  /** A device tree blob instead of the generated one. */
  readonly fdtOverride?: Uint8Array;
}

/** Sees the harts where a run of the guest ends and a sample is due; it changes nothing. */
export interface Sampler {
  /** The next sample is due then, in ms of the machine's clock. */
  readonly dueMs: number;
  sample(nowMs: number): void;
  /** The guest waits for an interrupt from now on. */
  idle(): void;
}

export interface MachineSnapshot {
  readonly state: "off" | SliceResult;
  readonly mode: PrivilegeMode;
  readonly pc: bigint;
  /** Instructions retired since power-on. */
  readonly instructions: number;
  /** Ticks of the timebase. */
  readonly ticks: number;
  readonly slots: readonly SlotSnapshot[];
}

interface SlotSnapshot {
  readonly slot: number;
  readonly base: number;
  /** Source number at the PLIC or APLIC. */
  readonly spi: number;
  readonly device: TransportSnapshot;
}
