/** What `monitor COMMAND` does in GDB: questions and orders that the protocol has no packet for. */
import type { Debugger } from "../debugger.ts";

interface Command {
  readonly help: string;
  readonly run: (debug: Debugger) => string;
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

function devices({ machine }: Debugger): string {
  const lines = machine.inspect().slots.map(({ slot, base, spi, device }) => {
    const { name } = device;
    return `${slot}: ${name} at ${hex(base)}, interrupt ${spi}`;
  });
  return lines.length === 0 ? "no devices" : lines.join("\n");
}

function status(debug: Debugger): string {
  const { state, mode, pc, instructions, ticks } = debug.machine.inspect();
  return [
    `${state}, ${mode}-mode, pc ${hex(pc)}`,
    `${instructions} instructions, ${ticks} ticks of the clock`,
  ].join("\n");
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["help", { help: "this list", run: help }],
  ["info devices", { help: "the virtio slots that are taken", run: devices }],
  ["info status", { help: "what the machine does", run: status }],
  [
    "reset",
    {
      help: "starts the guest again; it is held before its first instruction",
      run: ({ machine }) => {
        machine.hold.begin();
        machine.reset();
        return "reset: have GDB read the registers again, by flushregs";
      },
    },
  ],
]);

function help(): string {
  return [...COMMANDS].map(([name, command]) => `${name}: ${command.help}`).join("\n");
}

/** The answer, with a line feed at its end. */
export function monitor(debug: Debugger, text: string): string {
  const command = COMMANDS.get(text.trim().replace(/\s+/g, " "));
  if (command === undefined) return "There is no such command: try monitor help.\n";
  try {
    return `${command.run(debug)}\n`;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n`;
  }
}
