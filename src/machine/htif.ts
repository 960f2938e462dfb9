/**
 * The host-target interface of bare-metal RISC-V tests: the program writes a command to its
 * `tohost` word, and the monitor clears the word when it has been obeyed.
 *
 * Known commands: device 0 command 0 with bit 0 set ends the run with the code in the bits above;
 * device 1 command 1 prints a byte.
 */
import type { GuestMemory } from "../memory/guest-memory.ts";

const DEVICE_SHIFT = 24;
const COMMAND_SHIFT = 16;

export interface HtifOptions {
  readonly memory: GuestMemory;
  /** Guest physical address of the 64-bit word. */
  readonly tohost: number;
  readonly output: (byte: number) => void;
  readonly exit: (code: number) => void;
}

export class Htif {
  readonly #options: HtifOptions;

  constructor(options: HtifOptions) {
    this.#options = options;
  }

  get tohost(): number {
    return this.#options.tohost;
  }

  /** Obeys a command if there is one; the machine calls it between slices. */
  poll(): void {
    const { memory, tohost, output, exit } = this.#options;
    if (!memory.contains(tohost, 8)) return;
    const low = memory.readU32(tohost);
    const high = memory.readU32(tohost + 4);
    if (low === 0 && high === 0) return;
    const device = high >>> DEVICE_SHIFT;
    const command = (high >>> COMMAND_SHIFT) & 0xff;
    memory.writeU32(tohost, 0);
    memory.writeU32(tohost + 4, 0);
    if (device === 0 && command === 0 && (low & 1) !== 0) exit(low >>> 1);
    else if (device === 1 && command === 1) output(low & 0xff);
  }
}
