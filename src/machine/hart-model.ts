/** What the machine needs to know of a kind of hart to build one into itself. */
import type { Bus } from "../bus/bus.ts";
import type { EcallHandler, HartPort } from "../cpu/hart-port.ts";
import type { GuestMemory, RamRegion } from "../memory/guest-memory.ts";
import type { CpuDescription } from "./device-tree.ts";

export interface HartParts {
  readonly id: number;
  /** Holds the hart's own state below `ram.offset`, and the guest's RAM above. */
  readonly memory: WebAssembly.Memory;
  readonly ram: RamRegion;
  readonly guestMemory: GuestMemory;
  readonly bus: Bus;
  /** Ticks of the timebase. */
  readonly time: () => number;
  /** A run has used its budget in translated code: how many more instructions it gets; 0 ends it. */
  readonly poll: () => number;
  /** Answers S-mode's environment calls, if the hart starts in S-mode: else M-mode firmware does. */
  readonly ecall: EcallHandler;
}

export interface HartModel {
  /** Bytes of linear memory below RAM that the hart uses; a multiple of 64 KiB. */
  readonly memoryBytes: number;
  readonly cpu: CpuDescription;
  create(parts: HartParts): HartPort;
}
