/** What there is to see of the virtio slots. */
import type { MachineSnapshot } from "../machine/machine-types.ts";
import type { Subject } from "./subject.ts";

export const deviceCalls = ({ machine }: Subject) => ({
  /** The occupied slots, lowest first. */
  slots: (): MachineSnapshot["slots"] => machine.inspect().slots,
});
