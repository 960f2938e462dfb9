/** The systems that are compared: each boots the same guest and runs commands in the same disk. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type Browser, chromium, firefox } from "@playwright/test";
import { chromiumOptions, findBrowser } from "../e2e/browsers.ts";
import { type DrivenPage, send } from "./guest-page.ts";
import type { Workload } from "./workloads.ts";

const BOOT_MS = 120_000;
const COMMAND_MS = 600_000;
/** The guest goes on with its start in the background for a while. */
const SETTLE_MS = 5000;
const RAM_MIB = 1024;
const APPEND = "quiet tabvisor.disk=none";

/** Makes the disk the root of what follows. */
const MOUNT = [
  "mkdir -p /d && mount -t squashfs -o ro /dev/vda /d",
  "mount -t tmpfs tmpfs /d/tmp && mount --bind /proc /d/proc && mount --bind /dev /d/dev",
];

/** What of a workload it takes to run it. */
export type Command = Pick<Workload, "name" | "command" | "rate">;

export interface Measured {
  /** Seconds for the work, or what the command says it does in a second. */
  readonly value: number;
  readonly isRate: boolean;
}

export interface System {
  readonly name: string;
  readonly version: string;
  /** @throws Error if the command fails or takes too long. */
  run(workload: Command): Promise<Measured>;
  close(): Promise<void>;
}

/** A guest's console: sends a line, and waits for output. */
interface Console {
  send(line: string): Promise<void>;
  /** Output since the last line was sent. */
  output(): Promise<string>;
}

async function waitFor(console: Console, pattern: RegExp, ms: number): Promise<string> {
  const end = Date.now() + ms;
  for (;;) {
    const text = await console.output();
    if (pattern.test(text)) return text;
    if (Date.now() > end) throw new Error(`no ${pattern} in: ${text.slice(-500)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function prepare(console: Console, more: readonly string[]): Promise<void> {
  await waitFor(console, /~#/, BOOT_MS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  for (const line of [...MOUNT, ...more]) {
    // The line's echo has the quotes in it, the output has not.
    await console.send(`${line} && echo mou''nted`);
    await waitFor(console, /mounted/, COMMAND_MS);
  }
}

/** Runs so far: what a console shows of the one must not be taken for the next. */
let runs = 0;

async function runIn(console: Console, { name, command, rate }: Command): Promise<Measured> {
  const run = `${name}.${++runs}`;
  // The line's echo has the quotes in it, and may be gone from the screen.
  await console.send(`clear; echo @be''gin ${run}; chroot /d /bench/timed ${run} ${command}`);
  const all = await waitFor(console, new RegExp(`@timed ${run} [\\d.]+ -?\\d+`), COMMAND_MS);
  const text = all.slice(all.lastIndexOf(`@begin ${run}`));
  const [, seconds, status] = new RegExp(`@timed ${run} ([\\d.]+) (-?\\d+)`).exec(text) ?? [];
  if (status !== "0") throw new Error(`${name} failed: ${text.slice(-500)}`);
  if (rate === undefined) return { value: Number(seconds), isRate: false };
  const [, value] = rate.exec(text) ?? [];
  if (value === undefined) throw new Error(`${name} printed no rate: ${text.slice(-500)}`);
  return { value: Number(value), isRate: true };
}

type BrowserKind = "chromium" | "firefox";

export function launch(kind: BrowserKind): Promise<Browser> {
  if (kind === "chromium") return chromium.launch(chromiumOptions());
  const executablePath = findBrowser(kind);
  return firefox.launch({
    channel: "moz-firefox",
    ...(executablePath !== undefined && { executablePath }),
  });
}

export async function browserSystem(kind: BrowserKind, siteUrl: string): Promise<System> {
  const browser = await launch(kind);
  const page = await (await browser.newContext()).newPage();
  const system = await pageSystem(page, `${siteUrl}?disk=./disk.squashfs`, kind, browser.version());
  return { ...system, close: () => browser.close() };
}

/** The machine that the address `url` describes, with what is the same everywhere added. */
export async function pageSystem(
  page: DrivenPage,
  url: string,
  kind: BrowserKind,
  version: string,
  more: readonly string[] = [],
): Promise<System> {
  const append = encodeURIComponent(`console=hvc0 ${APPEND}`);
  await page.goto(`${url}&ram=${RAM_MIB}&append=${append}`);
  const console = pageConsole(page);
  await prepare(console, more);
  return {
    name: kind,
    version: `${kind === "chromium" ? "Chromium" : "Firefox"} ${version}`,
    run: (workload) => runIn(console, workload),
    close: () => page.close(),
  };
}

const pageConsole = (page: DrivenPage): Console => ({
  send: (line) => send(page, `${line}\r`),
  output: () => page.evaluate(() => window.tabvisor?.text() ?? ""),
});

export function qemuSystem(cache: string): Promise<System> {
  return qemuWith(cache, [
    ...["-drive", `if=none,id=d,format=raw,readonly=on,file=${cache}/disk.squashfs`],
    ...["-device", "virtio-blk-device,drive=d", "-device", "virtio-rng-device"],
  ]);
}

/** The embedded guest under QEMU with these devices. */
export async function qemuWith(
  cache: string,
  devices: readonly string[],
  more: readonly string[] = [],
): Promise<System> {
  const guest = new URL("../public/guest/", import.meta.url);
  mkdirSync(cache, { recursive: true });
  for (const name of ["Image", "initramfs.cpio"]) {
    writeFileSync(`${cache}/${name}`, gunzipSync(readFileSync(new URL(`${name}.gz`, guest))));
  }
  const child = spawn("qemu-system-riscv64", [
    ...["-M", "virt", "-smp", "1", "-m", `${RAM_MIB}`, "-nographic"],
    ...["-kernel", `${cache}/Image`, "-initrd", `${cache}/initramfs.cpio`],
    ...["-append", `console=ttyS0 ${APPEND}`],
    ...["-global", "virtio-mmio.force-legacy=false"],
    ...devices,
  ]);
  const [version] = execFileSync("qemu-system-riscv64", ["--version"]).toString().split("\n");
  return processSystem("qemu", version, child, more);
}

/** The headless runner with these options. */
export function nodeSystem(
  options: readonly string[],
  more: readonly string[] = [],
): Promise<System> {
  const tabvisor = fileURLToPath(new URL("../bin/tabvisor.mjs", import.meta.url));
  const append = ["--append", `console=hvc0 ${APPEND}`];
  const argv = [tabvisor, "run", "--ram", `${RAM_MIB}`, ...append, ...options];
  return processSystem("node", process.version, spawn(process.execPath, argv), more);
}

async function processSystem(
  name: string,
  version: string,
  child: ChildProcessWithoutNullStreams,
  more: readonly string[],
): Promise<System> {
  const console = processConsole(child);
  await prepare(console, more);
  return {
    name,
    version,
    run: (workload) => runIn(console, workload),
    close: async () => void child.kill(),
  };
}

function processConsole(child: ChildProcessWithoutNullStreams): Console {
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
  });
  return {
    send: async (line) => {
      output = "";
      child.stdin.write(`${line}\n`);
    },
    output: async () => output,
  };
}

/** The host itself, for the kernels. */
export function hostSystem(cache: string): System {
  return {
    name: "host",
    version: "gcc -O2",
    run: async ({ command }) => {
      const start = process.hrtime.bigint();
      execFileSync(`${cache}/kernels`, command.split(" ").slice(1));
      return { value: Number(process.hrtime.bigint() - start) / 1e9, isRate: false };
    },
    close: async () => {},
  };
}
