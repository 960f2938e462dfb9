/**
 * `npm run bench:inspector [-- PANEL…]`: what it costs the guest that somebody looks. In one page, after one boot,
 * the guest does the same short work again and again: it computes, or it reads its disk past the page cache.
 * Runs with a panel and with the inspector closed take turns, A B B A, and what counts is how long the Worker's
 * thread is busy, so that what becomes slower with time does not count, and what others do on the computer only as
 * far as they take of its caches and cores.
 * Besides the panels there are
 *
 * - `closed`: the inspector was closed again after all of it had been shown, against never opened. These cannot
 *   take turns: all runs of the one come first.
 * - `nothing`: closed against closed, which is how far the figures can be trusted.
 * - `background`: all panels have been shown, and the page has been hidden for a while.
 * - `all`: every panel a moment, in turn, so that all that panels leave running behind them runs at once.
 *
 * A look costs the same whenever it comes, but on a computer that does other work more of them come in the
 * guest's time: the figures are then too high, never too low. The last column is the share of a processor
 * that drawing takes in the page's own thread.
 */
import type { Page } from "@playwright/test";
import { prompt, renderers, see, send } from "./guest-page.ts";
import { median } from "./median.ts";
import { buildSite } from "./site.ts";
import { launch } from "./systems.ts";
import {
  type Cost,
  costOf,
  costOfPairs,
  formatCost,
  type Thread,
  threadOf,
  threadsOf,
  timeOf,
} from "./thread-time.ts";

const PAIRS = 16;
const WARM_UP_RUNS = 4;
/** From then on a panel has loaded its code and asked its first questions. */
const SETTLE_MS = 500;
/** Who has not looked for so long does not look any more, for all that ends or does less when nobody looks. */
const LEFT_MS = 3500;
const RUN_MS = 120_000;
/** Through all panels in less than the time after which what nobody looks at ends by itself. */
const TURN_MS = 230;

const LOADS = {
  compute: "lua -e 'local s = 0 for i = 1, 1e7 do s = s + i % 7 end'",
  disk: "dd if=/dev/vda of=/dev/null bs=4k count=32768 iflag=direct 2>/dev/null",
} as const;
type Load = keyof typeof LOADS;
const LOAD_NAMES = Object.keys(LOADS) as Load[];

/** What is begun by hand in a panel, and ended before it is left: by the names of the buttons. */
const BY_HAND: ReadonlyMap<string, readonly [begin: string, end: string]> = new Map([
  ["profile", ["Start", "Stop"]],
]);

/** How the inspector is while the guest works. */
interface Scene {
  readonly enter: () => Promise<void>;
  /** Panels that are shown in turn meanwhile. */
  readonly turns?: readonly string[];
  readonly leave: () => Promise<void>;
}

/** A page whose guest works, the thread of its machine, and the one that draws. */
interface Bench {
  readonly page: Page;
  readonly worker: Thread;
  readonly drawer: Thread;
}

let runs = 0;

/** The guest does its work, while the panels of `turns` are shown in turn. */
async function work(page: Page, load: Load, turns: readonly string[] = []): Promise<void> {
  runs++;
  // The line's echo has the quotes in it.
  await send(page, `clear; ${LOADS[load]}; echo do''ne.${runs}\r`);
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

/** Closes the inspector if there is no panel to open. */
const open = (page: Page, panel?: string): Promise<void> =>
  page.evaluate((id) => {
    location.hash = id === undefined ? "" : `inspect=${id}`;
  }, panel);

/** As if another tab were in front. */
const hide = (page: Page, isHidden: boolean): Promise<void> =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);

/** Shows one panel after the other, each a moment. */
async function visit(page: Page, panels: readonly string[]): Promise<void> {
  for (const panel of panels) {
    await open(page, panel);
    await page.waitForTimeout(TURN_MS);
  }
  await page.waitForTimeout(SETTLE_MS - TURN_MS);
}

function sceneOf(page: Page, name: string, panels: readonly string[]): Scene {
  const close = () => open(page);
  switch (name) {
    case "nothing":
      return { enter: close, leave: close };
    case "all":
      return { enter: () => visit(page, ["timeline"]), turns: panels, leave: close };
    case "background":
      return {
        enter: async () => {
          await visit(page, panels);
          await hide(page, true);
          await page.waitForTimeout(LEFT_MS);
        },
        leave: async () => {
          await hide(page, false);
          await close();
        },
      };
    default:
      return panelScene(page, name);
  }
}

function panelScene(page: Page, panel: string): Scene {
  const [begin, end] = BY_HAND.get(panel) ?? [];
  const press = async (button: string | undefined): Promise<void> => {
    if (button !== undefined) await page.getByRole("button", { name: button, exact: true }).click();
  };
  return {
    enter: async () => {
      await visit(page, [panel]);
      await press(begin);
    },
    leave: async () => {
      await press(end);
      await open(page);
    },
  };
}

/** Nanoseconds of the machine's thread, and the share of a processor that drawing took. */
async function run({ page, worker, drawer }: Bench, load: Load, turns?: readonly string[]) {
  const [startMs, start, startDrawing] = [performance.now(), timeOf(worker), timeOf(drawer)];
  await work(page, load, turns);
  const drawing = (timeOf(drawer) - startDrawing) / 1e6 / (performance.now() - startMs);
  return { ns: timeOf(worker) - start, drawing };
}

/** The Worker that is the busiest while the guest works, and the first thread of its process. */
async function findThreads(page: Page): Promise<Bench> {
  const pids = await renderers(page.context().browser()!);
  const found = pids.flatMap((pid) =>
    threadsOf(pid, "DedicatedWorker").map((worker) => ({ worker, drawer: threadOf(pid, pid) })),
  );
  const before = found.map(({ worker }) => timeOf(worker));
  await work(page, "compute");
  const times = found.map(({ worker }, i) => timeOf(worker) - before[i]);
  return { page, ...found[times.indexOf(Math.max(...times))] };
}

function print(name: string, load: Load, cost: Cost, drawing?: number): void {
  const drawn = drawing === undefined ? "" : `${(100 * drawing).toFixed(0)} %`;
  const line = `${name.padEnd(11)} ${load.padEnd(8)} ${formatCost(cost)}  ${drawn.padStart(5)}`;
  process.stdout.write(`${line}\n`);
}

/** Runs of each load, one behind the other. */
async function series(bench: Bench): Promise<Map<Load, number[]>> {
  const times = new Map<Load, number[]>();
  for (let i = 0; i < PAIRS; i++) {
    for (const load of LOAD_NAMES) {
      times.set(load, [...(times.get(load) ?? []), (await run(bench, load)).ns]);
    }
  }
  return times;
}

async function measure(bench: Bench, name: string, load: Load, scene: Scene): Promise<void> {
  const drawn: number[] = [];
  const cost = await costOf(PAIRS, async (isWith) => {
    if (isWith) await scene.enter();
    await bench.page.waitForTimeout(SETTLE_MS);
    const { ns, drawing } = await run(bench, load, isWith ? scene.turns : undefined);
    if (isWith) {
      drawn.push(drawing);
      await scene.leave();
    }
    return ns;
  });
  print(name, load, cost, median(drawn));
}

const site = await buildSite();
const browser = await launch("chromium");
const page = await (await browser.newContext()).newPage();
await page.goto(site.url);
await prompt(page);
for (let i = 0; i < WARM_UP_RUNS; i++) for (const load of LOAD_NAMES) await work(page, load);
const bench = await findThreads(page);
const asked = process.argv.slice(2);
const isAsked = (name: string): boolean => asked.length === 0 || asked.includes(name);

const never = isAsked("closed") ? await series(bench) : undefined;
await open(page, "devices");
const tabs = page.getByRole("tab");
await tabs.first().waitFor();
const panels = await tabs.evaluateAll((all) =>
  all.map((tab) => tab.id.replace(/^inspector-tab-/, "")),
);
const names = [...panels, "nothing", "background", "all"];
const unknown = asked.filter((name) => name !== "closed" && !names.includes(name));
if (unknown.length > 0)
  throw new Error(`no ${unknown.join(", ")}; there are ${names.join(", ")}, closed`);

if (never !== undefined) {
  await visit(page, panels);
  await open(page);
  await page.waitForTimeout(LEFT_MS);
  const again = await series(bench);
  for (const load of LOAD_NAMES) {
    const before = never.get(load)!;
    print("closed", load, costOfPairs(again.get(load)!.map((ns, i) => [ns, before[i]])));
  }
}
await open(page);
for (const name of names.filter(isAsked)) {
  for (const load of LOAD_NAMES) await measure(bench, name, load, sceneOf(page, name, panels));
}
await browser.close();
await site.close();
