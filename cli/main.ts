/** The command line: `tabvisor run` and `tabvisor relay`. */
import { relayMain } from "../relay/main.ts";
import { LoadError } from "../src/machine/load-error.ts";
import { parseRunOptions, RUN_HELP, UsageError } from "./options.ts";
import { type RunStreams, runMachine } from "./run.ts";

const HELP = `Usage: tabvisor COMMAND [options]

  run      run a virtual machine in this terminal
  relay    run the network relay that machines connect to

tabvisor COMMAND --help shows the options of a command.
`;

const EXIT_USAGE = 2;

/** @returns the exit code, or nothing when a server runs on. */
export async function main(
  argv: readonly string[],
  streams: RunStreams = process,
): Promise<number | undefined> {
  const [command, ...rest] = argv;
  switch (command) {
    case "run":
      return run(rest, streams);
    case "relay":
      return relayMain(rest);
    case "--help":
    case "help":
      streams.stdout.write(HELP);
      return 0;
    default:
      streams.stderr.write(HELP);
      return EXIT_USAGE;
  }
}

async function run(argv: readonly string[], streams: RunStreams): Promise<number> {
  try {
    const options = parseRunOptions(argv);
    if (options !== "help") return await runMachine(options, streams);
    streams.stdout.write(RUN_HELP);
    return 0;
  } catch (error) {
    const isUsage = error instanceof UsageError;
    if (!isUsage && !(error instanceof LoadError)) throw error;
    streams.stderr.write(`tabvisor: ${error.message}\n`);
    return isUsage ? EXIT_USAGE : 1;
  }
}
