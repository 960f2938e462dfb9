/** The keys that belong to the monitor and not to the guest: Ctrl-A and one more. */

const CTRL_A = 1;

/** About the guest's memory. */
export type MemoryCommand = "memory" | "plug" | "unplug";

export type EscapeCommand = "quit" | "help" | "save" | MemoryCommand;

const COMMANDS: { readonly [key: string]: EscapeCommand } = {
  x: "quit",
  h: "help",
  "?": "help",
  s: "save",
  m: "memory",
  "+": "plug",
  "-": "unplug",
};

export const ESCAPE_HELP = `
Ctrl-A X       end the machine
Ctrl-A S       save the machine and end it (see --save)
Ctrl-A M       what the guest's memory is used for
Ctrl-A + or -  plug or unplug 128 MiB of memory (see --hotplug-memory)
Ctrl-A H       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest
`.replaceAll("\n", "\r\n");

/** Takes the monitor's keys out of what is typed. */
export class EscapeFilter {
  readonly #command: (command: EscapeCommand) => void;
  #escaped = false;

  constructor(command: (command: EscapeCommand) => void) {
    this.#command = command;
  }

  /** What is for the guest. */
  filter(bytes: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const byte of bytes) {
      if (this.#escaped) {
        this.#escaped = false;
        const key = String.fromCharCode(byte).toLowerCase();
        if (key === "a" || byte === CTRL_A) kept.push(CTRL_A);
        else if (key in COMMANDS) this.#command(COMMANDS[key]);
      } else if (byte === CTRL_A) {
        this.#escaped = true;
      } else {
        kept.push(byte);
      }
    }
    return Uint8Array.from(kept);
  }
}
