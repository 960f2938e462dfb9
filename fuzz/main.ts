/**
 * `npm run fuzz`: makes up guests for as long as it is told, and keeps those that reach new code.
 * A broken promise is printed as a scenario, as short as it gets, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { Scenario, type Step } from "../src/virtio/testing/scenario.ts";
import { SPECIMENS } from "../src/virtio/testing/specimens.ts";
import { readCorpus, writeCorpus } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { Mutator } from "./mutate.ts";
import { Watchdog } from "./watchdog.ts";

const HELP = `Usage: npm run fuzz -- [options]

  --seconds N     how long, over all devices (default: until Ctrl-C)
  --device NAME   only this one: ${Object.keys(SPECIMENS).join(", ")}
  --seed N        where chance begins (default: the time)
  --save          keep what reached new code in fuzz/testdata
`;

/** Scenarios between two looks at the coverage, which takes longer than a scenario. */
const BATCH = 25;

/** How long one device has before it is another's turn, in ms. */
const TURN_MS = 2000;

type Input = readonly Step[];

/** A scenario that broke a promise. */
class Finding extends Error {
  constructor(device: string, fault: string, steps: Input) {
    super(`${device}: ${fault}\n${JSON.stringify(steps)}`);
  }
}

/** The fuzzing of one device. */
class Campaign {
  readonly device: string;
  readonly corpus: Input[] = [];
  runs = 0;
  readonly #coverage: Coverage;
  readonly #mutator: Mutator;
  readonly #watchdog: Watchdog;

  constructor(device: string, coverage: Coverage, mutator: Mutator, watchdog: Watchdog) {
    this.device = device;
    this.#coverage = coverage;
    this.#mutator = mutator;
    this.#watchdog = watchdog;
  }

  /** Keeps those of `inputs` that reach something new, one after the other. @throws Finding */
  async add(inputs: readonly Input[]): Promise<void> {
    for (const input of inputs) {
      await this.#run(input);
      if (this.#coverage.take(true)) this.corpus.push(input);
    }
  }

  /** @throws Finding */
  async fuzz(until: number): Promise<void> {
    while (performance.now() < until) {
      const inputs = Array.from({ length: BATCH }, () => this.#mutator.next(this.corpus));
      for (const input of inputs) await this.#run(input);
      if (this.#coverage.take(false)) await this.add(inputs);
    }
  }

  async #run(input: Input): Promise<void> {
    this.runs++;
    const fault = await this.#faultOf(input);
    if (fault !== undefined) throw new Finding(this.device, fault, await this.#shorten(input));
  }

  /** What went wrong, if anything did. */
  async #faultOf(input: Input): Promise<string | undefined> {
    this.#watchdog.begin(this.device, input);
    try {
      await new Scenario(SPECIMENS[this.device]()).run(input);
      return undefined;
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  }

  /** Leaves out every step without which it still goes wrong. */
  async #shorten(input: Input): Promise<Input> {
    let shortest = input;
    for (let at = shortest.length - 1; at >= 0; at--) {
      const shorter = shortest.toSpliced(at, 1);
      if ((await this.#faultOf(shorter)) !== undefined) shortest = shorter;
    }
    return shortest;
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "Infinity" },
      device: { type: "string" },
      seed: { type: "string", default: String(Date.now() >>> 0) },
      save: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const devices = values.device === undefined ? Object.keys(SPECIMENS) : [values.device];
  if (values.help || devices.some((device) => SPECIMENS[device] === undefined)) {
    process.stdout.write(HELP);
    return values.help ? 0 : 2;
  }
  const end = performance.now() + 1000 * Number(values.seconds);
  const coverage = new Coverage();
  const mutator = new Mutator(Number(values.seed));
  const watchdog = new Watchdog();
  const campaigns = devices.map((device) => new Campaign(device, coverage, mutator, watchdog));
  let isInterrupted = false;
  process.once("SIGINT", () => {
    isInterrupted = true;
  });
  process.stdout.write(`seed ${values.seed}\n`);
  try {
    for (const campaign of campaigns) await campaign.add(readCorpus(campaign.device));
    const known = coverage.blocks;
    while (performance.now() < end && !isInterrupted) {
      for (const campaign of campaigns) {
        await campaign.fuzz(Math.min(end, performance.now() + TURN_MS));
      }
    }
    const runs = campaigns.reduce((sum, campaign) => sum + campaign.runs, 0);
    const found = coverage.blocks - known;
    process.stdout.write(
      `${runs} guests, ${coverage.blocks} blocks of code, ${found} of them new\n`,
    );
    if (values.save) for (const { device, corpus } of campaigns) writeCorpus(device, corpus);
    return 0;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    process.stdout.write(`${error.message}\n`);
    return 1;
  }
}

process.exitCode = await main();
