/** What is inspected: a machine, and what it needs around it to be held and looked at. */
import type { Clock } from "../machine/clock.ts";
import type { Machine } from "../machine/machine.ts";

export interface Subject {
  readonly machine: Machine;
  readonly clock: Clock;
}
