/** What a person waits for: time to the prompt, and what an idle and a busy guest cost. */
import type { Browser } from "@playwright/test";
import { prompt, renderers, send } from "./guest-page.ts";
import { median } from "./median.ts";
import { threadsOf, timeOf } from "./thread-time.ts";

const RUNS = 5;

/**
 * How long a new window is left alone before the page is opened in it, in ms: Chromium loads pages of its
 * own with it, for which somebody who opens the page in a window that is there does not wait.
 */
const WINDOW_MS = 3000;

/** How long a guest that has just started is left to come to rest, in ms. */
const SETTLE_MS = 10_000;

/** How long the guest is left alone to see what an idle one costs, in ms. */
const IDLE_MS = 10_000;

/** How long the guest computes to see how fast it is, in ms. */
const BUSY_MS = 6000;

/** Loops without an end: in an interpreter's bytecode, and in a shell's syntax tree. */
const LOOPS = {
  "a loop in Lua": "lua -e 'local s = 0 while true do s = s + s % 7 + 1 end'",
  "a loop in its shell": "i=0; while :; do i=$((i+1)); done",
};
const CTRL_C = "\x03";

/** How a page starts. */
export interface Startup {
  /** From the navigation to the shell's prompt, in ms. */
  readonly promptMs: number;
  /** The longest task of the page's main thread until then, in ms; 0 if none takes 50 ms. */
  readonly longestTaskMs: number;
}

/** Measures in Chromium; @returns medians. */
export async function measureStartup(browser: Browser, url: string): Promise<Startup> {
  const starts: Startup[] = [];
  for (let run = 0; run < RUNS; run++) starts.push(await start(browser, url));
  const startup = {
    promptMs: median(starts.map(({ promptMs }) => promptMs)),
    longestTaskMs: median(starts.map(({ longestTaskMs }) => longestTaskMs)),
  };
  const each = (of: keyof Startup): string => starts.map((run) => run[of].toFixed(0)).join(" ");
  print("navigation to shell prompt, cold cache, median", `${startup.promptMs.toFixed(0)} ms`);
  print("  each run", each("promptMs"));
  print("longest task of the main thread, if over 50 ms", `${startup.longestTaskMs.toFixed(0)} ms`);
  print("  each run", each("longestTaskMs"));

  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  await prompt(page);
  // The guest goes on in the background for a while: modules, an address, page cache.
  await page.waitForTimeout(SETTLE_MS);
  const processes = await renderers(browser);
  const before = timesOf(processes);
  await page.waitForTimeout(IDLE_MS);
  const after = timesOf(processes);
  for (const [what, which] of [
    ["CPU of the Worker, guest idle", "worker"],
    ["CPU of page and Worker, guest idle", "all"],
  ] as const) {
    const ms = (after[which] - before[which]) / 1e6;
    print(what, `${((100 * ms) / IDLE_MS).toFixed(2)} %`);
  }

  for (const [what, command] of Object.entries(LOOPS)) {
    await send(page, `${command}\r`);
    const speeds: number[] = [];
    for (let passed = 0; passed < BUSY_MS; passed += 500) {
      await page.waitForTimeout(500);
      speeds.push(Number(await page.locator(".speed .figure").textContent()));
    }
    print(`guest instructions, ${what}, median`, `${median(speeds)} MIPS`);
    await send(page, CTRL_C);
  }
  await page.context().close();
  return startup;
}

declare global {
  interface Window {
    longestTaskMs: number;
  }
}

/** A new context has an empty cache and empty storage. */
async function start(browser: Browser, url: string): Promise<Startup> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.longestTaskMs = 0;
    new PerformanceObserver((list) => {
      const durations = list.getEntries().map(({ duration }) => duration);
      window.longestTaskMs = Math.max(window.longestTaskMs, ...durations);
    }).observe({ type: "longtask", buffered: true });
  });
  await page.waitForTimeout(WINDOW_MS);
  await page.goto(url, { waitUntil: "commit" });
  const promptMs = await prompt(page);
  const longestTaskMs = await page.evaluate(() => window.longestTaskMs);
  await context.close();
  return { promptMs, longestTaskMs };
}

/** Nanoseconds that processes have used so far, and their Workers alone. */
function timesOf(pids: readonly number[]): { all: number; worker: number } {
  const sum = (name: string): number =>
    pids
      .flatMap((pid) => threadsOf(pid, name))
      .reduce((total, thread) => total + timeOf(thread), 0);
  return { all: sum(""), worker: sum("DedicatedWorker") };
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)} ${value}\n`);
}
