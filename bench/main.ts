/**
 * `npm run bench`: what a person waits for in the browser, and the same programs side by side in
 * browsers, in QEMU and on the host. `npm run bench -- --help` has the options.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { render, writeReport } from "./report.ts";
import { buildSite, CACHE, ROOT } from "./site.ts";
import { measureStartup, type Startup } from "./startup.ts";
import {
  browserSystem,
  hostSystem,
  launch,
  type Measured,
  qemuSystem,
  type System,
} from "./systems.ts";
import { WORKLOADS, type Workload } from "./workloads.ts";

const RESULTS = `${ROOT}bench/results.md`;
const ALL_SYSTEMS = ["chromium", "firefox", "qemu", "host"];

const HELP = `npm run bench -- [options]

  --only NAMES      these workloads, with commas between them
  --systems NAMES   of ${ALL_SYSTEMS.join(",")} (default all)
  --runs N          how often each is run (default 3)
  --no-startup      leave out time to prompt and idle CPU
  --write           put the table into bench/results.md
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      systems: { type: "string", default: ALL_SYSTEMS.join() },
      runs: { type: "string", default: "3" },
      "no-startup": { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const only = values.only?.split(",");
  const workloads = WORKLOADS.filter(({ name }) => only?.includes(name) ?? true);
  const runs = Number(values.runs);
  if (isDiskOutOfDate()) {
    execFileSync(`${ROOT}bench/disk/build`, { stdio: "inherit" });
  }
  const site = await buildSite({ disk: "disk.squashfs" });
  const startup = values["no-startup"] ? undefined : await startUp(site.url);
  const systems: System[] = [];
  const results = new Map(workloads.map(({ name }) => [name, new Map<string, Measured[]>()]));
  // One after the other, so that they do not slow each other down.
  for (const wanted of values.systems.split(",")) {
    const system = await open(wanted, site.url);
    systems.push(system);
    for (const workload of workloads) {
      if (wanted === "host" && workload.host !== true) continue;
      const list = await measure(system, workload, runs);
      results.get(workload.name)?.set(wanted, list);
      const values = list.map(({ value }) => value.toFixed(2)).join(" ");
      process.stdout.write(`${wanted.padEnd(10)} ${workload.name.padEnd(16)} ${values}\n`);
    }
    await system.close();
  }
  await site.close();
  const report = render({ workloads, systems, results, runs, startup });
  process.stdout.write(`\n${report}`);
  if (values.write) writeReport(RESULTS, report);
}

/** Whether something that the disk is made of has changed since, or there is none. */
function isDiskOutOfDate(): boolean {
  const built = statSync(`${CACHE}/disk.squashfs`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(`${ROOT}bench/disk`);
  return sources.some((name) => statSync(`${ROOT}bench/disk/${name}`).mtimeMs > built);
}

/** A workload that fails is reported, and is left out of the table. */
async function measure(system: System, workload: Workload, runs: number): Promise<Measured[]> {
  const list: Measured[] = [];
  try {
    while (list.length < runs) list.push(await system.run(workload));
  } catch (error) {
    process.stderr.write(`${system.name}: ${(error as Error).message}\n`);
    return [];
  }
  return list;
}

async function startUp(url: string): Promise<Startup> {
  const browser = await launch("chromium");
  try {
    return await measureStartup(browser, url);
  } finally {
    await browser.close();
  }
}

function open(name: string, url: string): Promise<System> | System {
  if (name === "qemu") return qemuSystem(CACHE);
  if (name === "host") return hostSystem(CACHE);
  if (name === "chromium" || name === "firefox") return browserSystem(name, url);
  throw new Error(`there is no system called ${name}`);
}

await main();
