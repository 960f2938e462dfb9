/** What `monitor COMMAND` does in GDB: questions and orders that the protocol has no packet for. */
import type { Debugger } from "../debugger.ts";
import { translationState } from "../hart-state.ts";
import { hex } from "../hex.ts";
import { walkPage } from "../page-walk.ts";

interface Command {
  /** What stands behind the name. */
  readonly operand?: string;
  readonly help: string;
  readonly run: (debug: Debugger, operand: string) => string;
  /** The client is done with the machine then. */
  readonly isEnd?: boolean;
}

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

/** The entries on the way, and where it ends. */
function translate({ machine, hart }: Debugger, operand: string): string {
  if (!/^(0x)?[0-9a-f]{1,16}$/i.test(operand)) return `“${operand}” is no address`;
  const address = BigInt(`0x${operand.replace(/^0x/i, "")}`);
  const walk = walkPage(machine.memory, translationState(hart), address);
  const entries = walk.entries.map(
    ({ level, address: at, value, flags }) =>
      `level ${level}: ${value === undefined ? "none" : hex(value)} at ${hex(at)} ${flags.join(" ")}`,
  );
  const end = walk.page === undefined ? walk.fault : hex(walk.page.physical);
  return [...entries, `${walk.scheme}: ${end}`].join("\n");
}

function reset({ machine }: Debugger): string {
  machine.hold.begin();
  machine.reset();
  return "reset: have GDB read the registers again, by maintenance flush register-cache";
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["help", { help: "this list", run: help }],
  ["info devices", { help: "the virtio slots that are taken", run: devices }],
  ["info status", { help: "what the machine does", run: status }],
  [
    "translate",
    { operand: "ADDRESS", help: "what the page tables of satp make of it", run: translate },
  ],
  [
    "reset",
    { help: "starts the guest again; it is held before its first instruction", run: reset },
  ],
  ["system_reset", { help: "the same, as QEMU calls it", run: reset }],
  [
    "quit",
    {
      help: "as kill: ends a machine of the command line, leaves that of a page",
      run: () => "bye",
      isEnd: true,
    },
  ],
]);

function help(): string {
  return [...COMMANDS]
    .map(([name, { operand, help }]) => `${operand ? `${name} ${operand}` : name}: ${help}`)
    .join("\n");
}

export interface MonitorAnswer {
  /** With a line feed at its end. */
  readonly text: string;
  /** As the command says. */
  readonly isEnd: boolean;
}

export function monitor(debug: Debugger, text: string): MonitorAnswer {
  const line = text.trim().replace(/\s+/g, " ");
  const found = [...COMMANDS].find(([name, { operand }]) =>
    operand === undefined ? line === name : line.startsWith(`${name} `),
  );
  if (found === undefined) {
    return { text: "There is no such command: try monitor help.\n", isEnd: false };
  }
  const [name, { run, isEnd = false }] = found;
  try {
    return { text: `${run(debug, line.slice(name.length + 1))}\n`, isEnd };
  } catch (error) {
    return { text: `${error instanceof Error ? error.message : String(error)}\n`, isEnd: false };
  }
}
