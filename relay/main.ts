/** The relay's command line. */
import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DEFAULT_HOST, DEFAULT_PORT, type RelayOptions, startRelay } from "./server.ts";

const HELP = `Usage: relay [options]

Joins virtual machines to LANs: Ethernet frames over WebSockets, with a gateway to the network.
Members of the LAN NAME connect to ws://HOST:PORT/lan/NAME, others to the LAN "default".

  --port PORT          listen there (default ${DEFAULT_PORT}; 0: any free port)
  --host ADDRESS       listen on that address (default ${DEFAULT_HOST})
  --origin ORIGIN      let pages of that origin connect; may be repeated
  --require-origin     refuse clients that are no browsers
  --token TEXT         require ?token=TEXT in the address
  --allow RULE         let guests reach ADDRESS[/PREFIX][:PORT[-PORT]] although it is private;
                       "host" is this machine, which guests see as 10.0.2.2; may be repeated
  --resolver ADDRESS   ask that name server; may be repeated (default: this machine's)
  --max-rate BYTES     what each member may send in a second (default: no limit)
  --gdb PORT           let a page serve GDB at that port of 127.0.0.1 (0: any): whoever can connect
                       there controls the page's guest
  --no-gateway         switch frames between members only
  --help               print this
`;

const OPTIONS = {
  port: { type: "string" },
  host: { type: "string" },
  origin: { type: "string", multiple: true },
  "require-origin": { type: "boolean" },
  token: { type: "string" },
  allow: { type: "string", multiple: true },
  resolver: { type: "string", multiple: true },
  "max-rate": { type: "string" },
  gdb: { type: "string" },
  "no-gateway": { type: "boolean" },
  help: { type: "boolean" },
} as const;

/**
 * Runs the relay with the arguments of a command line.
 * @returns an exit code when there is nothing to run; nothing when the relay runs on until SIGINT
 * or SIGTERM.
 */
export async function relayMain(argv: readonly string[]): Promise<number | undefined> {
  try {
    const options = readOptions(argv);
    if (options === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    const relay = await startRelay(options);
    process.stdout.write(`relay listening on ${relay.url}\n`);
    if (relay.gdbPort !== undefined) process.stdout.write(`GDB at 127.0.0.1:${relay.gdbPort}\n`);
    const stop = () => void relay.close();
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    return undefined;
  } catch (error) {
    process.stderr.write(`relay: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** @throws Error on an unknown option or a value that cannot be read. */
export function readOptions(argv: readonly string[]): RelayOptions | "help" {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  if (values.help === true) return "help";
  const { host, token, origin, allow, resolver } = values;
  return {
    port: readNumber("--port", values.port ?? String(DEFAULT_PORT), 0, 65_535),
    requireOrigin: values["require-origin"] === true,
    gateway: values["no-gateway"] !== true,
    ...(host === undefined ? {} : { host }),
    ...(token === undefined ? {} : { token }),
    ...(origin === undefined ? {} : { origins: origin }),
    ...(allow === undefined ? {} : { allow }),
    ...(resolver === undefined ? {} : { resolvers: resolver }),
    ...(values.gdb === undefined ? {} : { gdbPort: readNumber("--gdb", values.gdb, 0, 65_535) }),
    ...(values["max-rate"] === undefined
      ? {}
      : { maxBytesPerSecond: readNumber("--max-rate", values["max-rate"], 1, Infinity) }),
  };
}

function readNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new Error(`${name} is not a number of that range: ${text}`);
  }
  return value;
}

/** Whether this file is what `node` was started with, and not a module of another program. */
function isProgram(): boolean {
  const script = process.argv[1];
  if (script === undefined || !existsSync(script)) return false;
  return realpathSync(script) === fileURLToPath(import.meta.url);
}

if (isProgram()) {
  const code = await relayMain(process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
}
