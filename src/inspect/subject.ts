/** What is inspected: a machine, and what it needs around it to be held and looked at. */
import type { Clock } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { BlockSwitch } from "../virtio/devices/block-switch.ts";
import type { NetWire } from "../virtio/devices/net-wire.ts";
import type { Report } from "../virtio/report.ts";
import type { GdbRelay } from "./gdb/relay-link.ts";

/** Calls back after so many ms; the returned function prevents that. */
export type Sleep = (ms: number, callback: () => void) => () => void;

/** Where faults can be put, by the names of devices. */
interface Backends {
  readonly disks: ReadonlyMap<string, BlockSwitch>;
  readonly wires: ReadonlyMap<string, NetWire>;
}

export interface Subject {
  readonly machine: Machine;
  readonly clock: Clock;
  /** Absent where nothing stands behind devices that could be interfered with. */
  readonly backends?: Backends;
  /** Where it is written down what was done to the machine. */
  readonly report?: Report;
  /** A relay through which GDB may come; absent where there is none. */
  readonly gdbRelay?: GdbRelay;
}

/** One for those too that do something later. */
export interface TimedSubject extends Subject {
  readonly sleep: Sleep;
}
