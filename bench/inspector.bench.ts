/**
 * `npm run bench:inspector [-- PANEL…]`: what it costs the guest that a panel of the inspector is shown. In
 * one page the guest does the same work again and again, computing and reading its disk past the page cache;
 * runs with a panel and with the inspector closed alternate. What counts is how long the Worker's thread is
 * busy. A look costs the same whenever it comes, but on a computer that does other work more of them
 * come in the guest's time: the figures are then too high, never too low. The last column is the share of
 * a processor that drawing takes in the page's own thread.
 */
import type { Page } from "@playwright/test";
import { prompt, renderers, see, send } from "./guest-page.ts";
import { median } from "./median.ts";
import { buildSite } from "./site.ts";
import { launch } from "./systems.ts";
import { costOf, formatCost, type Thread, threadOf, threadsOf, timeOf } from "./thread-time.ts";

const PAIRS = 9;
const WARM_UP_RUNS = 4;
/** From then on a panel has loaded its code and asked its first questions. */
const SETTLE_MS = 800;
const RUN_MS = 120_000;

const WORK =
  "lua -e 'local s = 0 for i = 1, 2e7 do s = s + i % 7 end'; dd if=/dev/vda of=/dev/null bs=4k count=8192 iflag=direct 2>/dev/null";

/** The machine's thread, and the one that draws. */
interface Threads {
  readonly worker: Thread;
  readonly page: Thread;
}

let runs = 0;

/** The guest does its work. */
async function work(page: Page): Promise<void> {
  runs++;
  // The line's echo has the quotes in it.
  await send(page, `clear; ${WORK}; echo do''ne.${runs}\r`);
  await see(page, `done.${runs}`, RUN_MS);
}

async function show(page: Page, panel: string | undefined): Promise<void> {
  // The timeline goes on with its record for a while after it was shown.
  const timeline = page.locator(".timeline");
  const pause = timeline.getByRole("button", { name: "Pause" });
  if (panel === undefined && (await pause.isVisible())) await pause.click();
  await page.evaluate((id) => {
    location.hash = id === undefined ? "" : `inspect=${id}`;
  }, panel);
  await page.waitForTimeout(SETTLE_MS);
  const record = timeline.getByRole("button", { name: "Record" });
  if (await record.isVisible()) await record.click();
}

/** The Worker that is the busiest while the guest works, and the first thread of its process. */
async function findThreads(page: Page): Promise<Threads> {
  const pids = await renderers(page.context().browser()!);
  const found = pids.flatMap((pid) =>
    threadsOf(pid, "DedicatedWorker").map((worker) => ({ worker, page: threadOf(pid, pid) })),
  );
  const before = found.map(({ worker }) => timeOf(worker));
  await work(page);
  const times = found.map(({ worker }, i) => timeOf(worker) - before[i]);
  return found[times.indexOf(Math.max(...times))];
}

const site = await buildSite();
const browser = await launch("chromium");
const page = await (await browser.newContext()).newPage();
await page.goto(`${site.url}#inspect=`);
await prompt(page);
const ids = await page
  .getByRole("tab")
  .evaluateAll((tabs) => tabs.map((tab) => tab.id.replace(/^inspector-tab-/, "")));
const asked = process.argv.slice(2);
const unknown = asked.filter((panel) => !ids.includes(panel));
if (unknown.length > 0)
  throw new Error(`no panel ${unknown.join(", ")}; there are ${ids.join(", ")}`);
await show(page, undefined);
for (let i = 0; i < WARM_UP_RUNS; i++) await work(page);
const threads = await findThreads(page);
for (const panel of asked.length === 0 ? ids : asked) {
  const drawing: number[] = [];
  const cost = await costOf(PAIRS, async (isShown) => {
    await show(page, isShown ? panel : undefined);
    const [start, startPage, startMs] = [
      timeOf(threads.worker),
      timeOf(threads.page),
      performance.now(),
    ];
    await work(page);
    const ms = performance.now() - startMs;
    if (isShown) drawing.push((timeOf(threads.page) - startPage) / 1e6 / ms);
    return timeOf(threads.worker) - start;
  });
  const drawn = `${(100 * median(drawing)).toFixed(0)} %`;
  process.stdout.write(`${panel.padEnd(12)} ${formatCost(cost)}  ${drawn.padStart(5)}\n`);
}
await browser.close();
await site.close();
