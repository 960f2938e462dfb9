/** The SBI of a machine: its console is one of the machine's, its reset is the machine's end. */
import type { HartPort } from "../cpu/hart-port.ts";
import { Sbi } from "../cpu/sbi.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { ByteQueue } from "../platform/byte-queue.ts";
import { MAX_PENDING_INPUT } from "../platform/uart16550.ts";
import type { ConsoleHub } from "./console-hub.ts";
import type { MachineExit } from "./machine-types.ts";

export class MachineSbi extends Sbi {
  /** What was typed, and the guest has not asked for. */
  readonly pending: ByteQueue;

  constructor(
    harts: readonly HartPort[],
    memory: GuestMemory,
    consoles: ConsoleHub,
    end: (exit: MachineExit) => void,
  ) {
    const pending = new ByteQueue(MAX_PENDING_INPUT);
    const port = consoles.add("sbi", { input: (bytes) => pending.put(bytes) });
    super({
      harts,
      memory,
      output: (bytes) => {
        if (bytes.length === 1) port.outputByte(bytes[0]);
        else port.output(bytes);
      },
      input: (maximum) => {
        const bytes = pending.take(maximum);
        if (bytes.length > 0) port.inputSpace();
        return bytes;
      },
      reset: (kind, failed) =>
        end(kind === "poweroff" && failed ? { kind: "fail", code: 1 } : { kind }),
    });
    this.pending = pending;
  }
}
