/**
 * `npm run bench:io`: how fast bytes go between a guest and its devices, in the page, in the headless
 * runner and in QEMU, whose runs alternate. `npm run bench:io -- --help` has the options.
 */
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, truncateSync } from "node:fs";
import { createServer } from "node:net";
import { parseArgs } from "node:util";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { type Counts, countsOf, perRequest } from "./io-counts.ts";
import { renderIo } from "./io-report.ts";
import {
  type IoSystem,
  type IoWorkload,
  ioWorkloads,
  PREPARE,
  SOCKET_MIB,
  SOCKET_PORTS,
} from "./io-workloads.ts";
import { writeReport } from "./report.ts";
import { buildSite, CACHE, ROOT } from "./site.ts";
import { nodeSystem, pageSystem, qemuWith, type System } from "./systems.ts";
import { UnwatchedPage } from "./unwatched-page.ts";

const RESULTS = `${ROOT}bench/io-results.md`;

/** In memory: what is compared is the machines and not their disks. */
const MEMORY = `/dev/shm/bench-io-${process.pid}`;
const DISK_MIB = 1024;

/** The programs of the guest, first on each disk. */
const DISK = "io.squashfs";

const HELP = `npm run bench:io -- [options]

  --only NAMES      these workloads, with commas between them
  --systems NAMES   of chromium,node,qemu,plain (default all; plain: the page without EVENT_IDX)
  --runs N          how often each is run (default 5)
  --write           put the tables into bench/io-results.md
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      systems: { type: "string", default: "chromium,node,qemu,plain" },
      runs: { type: "string", default: "5" },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (!existsSync(`${CACHE}/${DISK}`)) {
    execFileSync(`${ROOT}bench/io-disk/build`, { stdio: "inherit" });
  }
  const port = await freePort();
  const only = values.only?.split(",");
  const workloads = ioWorkloads(port).filter(({ name }) => only?.includes(name) ?? true);
  const wanted = values.systems.split(",") as IoSystem[];
  const runs = Number(values.runs);
  mkdirSync(MEMORY);
  const server = spawn("iperf3", ["-s", "-B", "127.0.0.1", "-p", `${port}`], { stdio: "ignore" });
  try {
    const report = await compare(workloads, wanted, runs, port);
    process.stdout.write(`\n${report}`);
    if (values.write) writeReport(RESULTS, report);
  } finally {
    server.kill();
    rmSync(MEMORY, { recursive: true });
  }
}

/** @returns the report. */
async function compare(
  workloads: readonly IoWorkload[],
  wanted: readonly IoSystem[],
  runs: number,
  port: number,
): Promise<string> {
  const site = await buildSite({ disk: DISK, allow: [`host:${port}`] });
  const systems = new Map<IoSystem, System>();
  for (const name of wanted) systems.set(name, await open(name, site.url));
  const rates = new Map<string, number[]>();
  const counts = new Map<string, Counts>();
  for (const workload of workloads) {
    for (let run = 0; run < runs; run++) {
      for (const [name, system] of systems) {
        // Only its notifications are of interest, and they hardly differ from run to run.
        if (!workload.systems.includes(name) || (name === "plain" && run > 0)) continue;
        const key = `${workload.name} ${name}`;
        const count = run === 0 ? counterOf(name, workload) : undefined;
        const before = await count?.();
        const { value } = await system.run(workload);
        const after = await count?.();
        if (before && after) counts.set(key, perRequest(before, after));
        rates.set(key, [...(rates.get(key) ?? []), value]);
        process.stdout.write(`${key.padEnd(28)} ${value}\n`);
      }
    }
  }
  for (const system of systems.values()) await system.close();
  await site.close();
  return renderIo({ workloads, systems, rates, counts, runs });
}

/** The pages of the systems that are some. */
const pages = new Map<IoSystem, UnwatchedPage>();

/** What reads the notifications of a workload in a system, if that is a page. */
function counterOf(name: IoSystem, { counts }: IoWorkload): (() => Promise<Counts>) | undefined {
  const page = pages.get(name);
  if (page === undefined || counts === undefined) return undefined;
  return () => page.watched((watched) => countsOf(watched, counts));
}

async function open(name: IoSystem, url: string): Promise<System> {
  switch (name) {
    case "chromium":
      return openPage(name, url, "");
    case "plain":
      return openPage(name, url, "&virtio=-EVENT_IDX");
    case "node": {
      const folder = makeFolder(name);
      return nodeSystem(["--disk", makeDisk(folder), "--share-9p", `bench=${folder}`], PREPARE);
    }
    case "qemu":
      return openQemu(makeFolder(name));
  }
}

/** A browser that keeps its storage in files: a private window would have none. */
async function openPage(name: IoSystem, url: string, rules: string): Promise<System> {
  const page = await UnwatchedPage.open(makeFolder(name));
  pages.set(name, page);
  const address = `${url}?disk=./${DISK}&disksize=${DISK_MIB}&vsock${rules}`;
  const system = await pageSystem(page, address, "chromium", await page.version(), PREPARE);
  await page.evaluate(listen, { ...SOCKET_PORTS, bytes: SOCKET_MIB << 20 });
  return { ...system, name };
}

/** Runs in the page, which is the other end of the guest's sockets. */
function listen({ toHost, toGuest, bytes }: typeof SOCKET_PORTS & { bytes: number }): void {
  window.tabvisor?.vsock.listen(toHost, async ({ readable, writable }) => {
    await readable.pipeTo(new WritableStream());
    await writable.close();
  });
  window.tabvisor?.vsock.listen(toGuest, async ({ writable }) => {
    const writer = writable.getWriter();
    const part = new Uint8Array(1 << 16);
    for (let left = bytes; left > 0; left -= part.length) await writer.write(part);
    await writer.close();
  });
}

function openQemu(folder: string): Promise<System> {
  const devices = [
    ...["-drive", `if=none,id=d,format=raw,file=${makeDisk(folder)}`],
    ...["-device", "virtio-blk-device,drive=d", "-device", "virtio-rng-device"],
    ...["-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n"],
    ...["-fsdev", `local,id=f,path=${folder},security_model=none`],
    ...["-device", "virtio-9p-device,fsdev=f,mount_tag=bench"],
  ];
  return qemuWith(CACHE, devices, PREPARE);
}

function makeFolder(name: string): string {
  const folder = `${MEMORY}/${name}`;
  mkdirSync(folder);
  return folder;
}

function makeDisk(folder: string): string {
  const path = `${folder}/disk`;
  copyFileSync(`${CACHE}/${DISK}`, path);
  truncateSync(path, DISK_MIB << 20);
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOnLoopback(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

await main();
