/** What a person waits for: time to the prompt, and what an idle and a busy guest cost. */
import { readdirSync, readFileSync } from "node:fs";
import type { Browser, CDPSession, Page } from "@playwright/test";
import { median } from "./median.ts";

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

/** Of the clock that Linux counts CPU time with, on every common architecture. */
const TICKS_PER_SECOND = 100;

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
  const processes = await renderers(await browser.newBrowserCDPSession());
  const before = processes.map(cpuTicks);
  await page.waitForTimeout(IDLE_MS);
  const after = processes.map(cpuTicks);
  for (const thread of ["worker", "all"] as const) {
    const ticks = after.reduce((sum, now, i) => sum + now[thread] - before[i][thread], 0);
    const what =
      thread === "worker" ? "CPU of the Worker, guest idle" : "CPU of page and Worker, guest idle";
    print(what, `${((ticks * 1000 * 100) / TICKS_PER_SECOND / IDLE_MS).toFixed(2)} %`);
  }

  for (const [what, command] of Object.entries(LOOPS)) {
    await page.evaluate((line) => window.tabvisor?.send(line), `${command}\r`);
    const speeds: number[] = [];
    for (let passed = 0; passed < BUSY_MS; passed += 500) {
      await page.waitForTimeout(500);
      speeds.push(Number(await page.locator(".speed .figure").textContent()));
    }
    print(`guest instructions, ${what}, median`, `${median(speeds)} MIPS`);
    await page.evaluate((key) => window.tabvisor?.send(key), CTRL_C);
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

/** Waits for the prompt; gives the time since the navigation began, in ms. */
async function prompt(page: Page): Promise<number> {
  const handle = await page.waitForFunction(
    () => /[#$] ?$/.test(window.tabvisor?.text() ?? "") && performance.now(),
    null,
    { polling: 10, timeout: 60_000 },
  );
  return Number(await handle.jsonValue());
}

/** Process ids of all renderers. */
async function renderers(session: CDPSession): Promise<number[]> {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/** CPU time of a process so far, and of its Workers alone, in clock ticks (proc(5)). */
function cpuTicks(pid: number): { all: number; worker: number } {
  const used = { all: 0, worker: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const line = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    // The name is in brackets and may hold blanks; utime and stime are fields 14 and 15.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    used.all += ticks;
    if (line.includes("(DedicatedWorker")) used.worker += ticks;
  }
  return used;
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(52)} ${value}\n`);
}
