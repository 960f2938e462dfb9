/**
 * `npm run bench:inspector [-- PANEL…]`: what it costs the guest that a panel of the inspector is shown. In
 * one page the guest does the same work again and again, computing and reading its disk past the page cache;
 * runs with a panel and with the inspector closed alternate. In the runs of `all` each panel is shown a moment,
 * again and again, so that all that panels leave running behind them runs at once: the record of the
 * timeline, what is kept of a queue, and the service times of interrupts. The profiler runs in its own runs only,
 * since it is started by hand. What counts is how long the Worker's thread is busy. A look costs the same
 * whenever it comes, but on a computer that does other work more of them come in the guest's time: the figures
 * are then too high, never too low. The last column is the share of a processor that drawing takes in the
 * page's own thread.
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

/** Every panel in turn, by the name that it is asked for by. */
const ALL = "all";
/** Through all of them in less than the time after which what nobody looks at ends by itself. */
const TURN_MS = 230;

const WORK =
  "lua -e 'local s = 0 for i = 1, 2e7 do s = s + i % 7 end'; dd if=/dev/vda of=/dev/null bs=4k count=8192 iflag=direct 2>/dev/null";

/** The machine's thread, and the one that draws. */
interface Threads {
  readonly worker: Thread;
  readonly page: Thread;
}

let runs = 0;

/** The guest does its work, while the panels of `turns` are shown in turn. */
async function work(page: Page, turns: readonly string[] = []): Promise<void> {
  runs++;
  // The line's echo has the quotes in it.
  await send(page, `clear; ${WORK}; echo do''ne.${runs}\r`);
  let isDone = false;
  const done = see(page, `done.${runs}`, RUN_MS).finally(() => {
    isDone = true;
  });
  for (let turn = 0; turns.length > 0 && !isDone; turn++) {
    await open(page, turns[turn % turns.length]);
    await Promise.race([done, page.waitForTimeout(TURN_MS)]);
  }
  await done;
}

/** What goes on in the background while nobody looks: switched on and off where it is shown. */
const BACKGROUND = [
  { panel: "timeline", on: "Record", off: "Pause", isAutomatic: true },
  { panel: "profile", on: "Start", off: "Stop", isAutomatic: false },
] as const;

const open = (page: Page, panel: string | undefined): Promise<void> =>
  page.evaluate((id) => {
    location.hash = id === undefined ? "" : `inspect=${id}`;
  }, panel);

/** Shows a panel, with all that it does in the background switched on; of another nothing goes on. */
async function show(page: Page, panel: string | undefined): Promise<void> {
  for (const { panel: id, on, off, isAutomatic } of BACKGROUND) {
    const isOn = panel === id || (isAutomatic && panel === ALL);
    await open(page, id);
    await page.waitForTimeout(SETTLE_MS);
    const press = page.getByRole("button", { name: isOn ? on : off, exact: true });
    if (await press.isVisible()) await press.click();
  }
  await open(page, panel === ALL ? undefined : panel);
  await page.waitForTimeout(SETTLE_MS);
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
const unknown = asked.filter((panel) => panel !== ALL && !ids.includes(panel));
if (unknown.length > 0)
  throw new Error(`no panel ${unknown.join(", ")}; there are ${ids.join(", ")}, ${ALL}`);
await show(page, undefined);
for (let i = 0; i < WARM_UP_RUNS; i++) await work(page);
const threads = await findThreads(page);
for (const panel of asked.length === 0 ? [...ids, ALL] : asked) {
  const drawing: number[] = [];
  const cost = await costOf(PAIRS, async (isShown) => {
    await show(page, isShown ? panel : undefined);
    const [start, startPage, startMs] = [
      timeOf(threads.worker),
      timeOf(threads.page),
      performance.now(),
    ];
    await work(page, isShown && panel === ALL ? ids : []);
    const ms = performance.now() - startMs;
    if (isShown) drawing.push((timeOf(threads.page) - startPage) / 1e6 / ms);
    return timeOf(threads.worker) - start;
  });
  const drawn = `${(100 * median(drawing)).toFixed(0)} %`;
  process.stdout.write(`${panel.padEnd(12)} ${formatCost(cost)}  ${drawn.padStart(5)}\n`);
}
await browser.close();
await site.close();
