/** What is inspected: a machine, and what it needs around it to be held and looked at. */
import type { Clock } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";
import type { GdbRelay } from "./gdb/relay-link.ts";

export interface Subject {
  readonly machine: Machine;
  readonly clock: Clock;
  /** A relay through which GDB may come; absent where there is none. */
  readonly gdbRelay?: GdbRelay;
}
