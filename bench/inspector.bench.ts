/**
 * `npm run bench:inspector [-- PANEL…]`: what it costs the guest that somebody looks. In one page the guest does the
 * same work all the time: it computes, or it reads its disk past the page cache, and tells how far it is through a port
 * of its console. Spells with a panel and with the inspector closed take turns, A B B A, and what counts is how long the
 * Worker's thread is busy for so much work: what becomes slower with time does not count, nor where a program's
 * pages lie, and what others do on the computer only as far as they take of its caches and cores.
 * Besides the panels there are
 *
 * - `closed`: the inspector was closed again after all of it had been shown, against never opened. These cannot
 *   take turns: all spells of the one come first.
 * - `nothing`: closed against closed, which is how far the figures can be trusted.
 * - `background`: all panels have been shown, and the page has been hidden for a while.
 * - `all`: every panel a moment, in turn, so that all that panels leave running behind them runs at once.
 *
 * The last column is the share of a processor that drawing takes in the page's own thread.
 */
import type { Page } from "@playwright/test";
import { prompt, renderers, send } from "./guest-page.ts";
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

const PAIRS = 32;
/** Some seconds, as what is done now and then is done once a second. */
const SPELL_MS = 3000;
const WARM_UP_MS = 10_000;
/** From then on a panel has loaded its code and asked its first questions. */
const SETTLE_MS = 500;
/** Who has not looked for so long does not look any more, for all that ends or does less when nobody looks. */
const LEFT_MS = 3500;
/** Through all panels in less than the time after which what nobody looks at ends by itself. */
const TURN_MS = 230;

/** A disk that is not read to its end, and that nothing is made on. */
const GUEST = "?ports=count&disksize=1048576&append=console=hvc0%20quiet%20tabvisor.disk=none";
const PORT = "/dev/virtio-ports/count";

/** Several times a second each tells how often it has done something: to the third file. */
const LOADS = {
  compute:
    "lua -e 'local n, s = 0, 0 while true do for i = 1, 1e6 do s = s + i % 7 end n = n + 1 print(n) end' >&3",
  disk:
    "dd if=/dev/vda of=/dev/null bs=4k iflag=direct & " +
    "while usleep 100000; do read n rest < /sys/block/vda/stat; echo $n >&3; done",
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

/** How far the guest was, and how long the machine's thread had been busy. */
interface Mark {
  readonly count: number;
  readonly ns: number;
}

/** A page whose guest works. */
class Bench {
  readonly page: Page;
  readonly load: Load;
  #worker!: Thread;
  /** The thread that draws. */
  #drawer!: Thread;
  #waiting: ((mark: Mark) => void)[] = [];

  private constructor(page: Page, load: Load) {
    this.page = page;
    this.load = load;
  }

  static async start(page: Page, load: Load): Promise<Bench> {
    const bench = new Bench(page, load);
    await page.exposeFunction("count", (count: number) => bench.#counted(count));
    await page.goto(site.url + GUEST);
    await prompt(page);
    await page.evaluate(async () => {
      const { readable } = await window.tabvisor!.port("count");
      const { count } = window as unknown as { count(value: number): Promise<void> };
      let rest = "";
      const lines = new WritableStream<string>({
        write(text) {
          const parts = (rest + text).split("\n");
          rest = parts.pop()!;
          for (const line of parts) void count(Number(line));
        },
      });
      void readable
        .pipeThrough(
          new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>,
        )
        .pipeTo(lines);
    });
    await send(
      page,
      `until [ -e ${PORT} ]; do usleep 10000; done; exec 3>${PORT}; ${LOADS[load]}\r`,
    );
    await page.waitForTimeout(WARM_UP_MS / 2);
    await bench.#findThreads();
    return bench;
  }

  /** Nanoseconds of the machine's thread for so much work, and the share of a processor that drawing took. */
  async spell(turns: readonly string[] = []): Promise<{ ns: number; drawing: number }> {
    const first = await this.#next();
    const [startMs, startDrawing] = [performance.now(), timeOf(this.#drawer)];
    const hasTurns = turns.length > 0;
    for (let turn = 0; performance.now() < startMs + SPELL_MS; turn++) {
      if (hasTurns) await open(this.page, turns[turn % turns.length]);
      await this.page.waitForTimeout(hasTurns ? TURN_MS : SPELL_MS);
    }
    const last = await this.#next();
    const drawing = (timeOf(this.#drawer) - startDrawing) / 1e6 / (performance.now() - startMs);
    return { ns: (last.ns - first.ns) / (last.count - first.count), drawing };
  }

  #next(): Promise<Mark> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #counted(count: number): void {
    if (this.#waiting.length === 0) return;
    const mark = { count, ns: timeOf(this.#worker) };
    for (const resolve of this.#waiting.splice(0)) resolve(mark);
  }

  /** The Worker that is the busiest while the guest works, and the first thread of its process. */
  async #findThreads(): Promise<void> {
    const pids = await renderers(this.page.context().browser()!);
    const found = pids.flatMap((pid) =>
      threadsOf(pid, "DedicatedWorker").map((worker) => ({ worker, drawer: threadOf(pid, pid) })),
    );
    const before = found.map(({ worker }) => timeOf(worker));
    await this.page.waitForTimeout(WARM_UP_MS / 2);
    const times = found.map(({ worker }, i) => timeOf(worker) - before[i]);
    const { worker, drawer } = found[times.indexOf(Math.max(...times))];
    this.#worker = worker;
    this.#drawer = drawer;
  }
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

function print(name: string, load: Load, cost: Cost, drawing?: number): void {
  const drawn = drawing === undefined ? "" : `${(100 * drawing).toFixed(0)} %`;
  const line = `${name.padEnd(11)} ${load.padEnd(8)} ${formatCost(cost)}  ${drawn.padStart(5)}`;
  process.stdout.write(`${line}\n`);
}

/** Spells one behind the other, with the inspector as it is. */
async function series(bench: Bench): Promise<number[]> {
  const times: number[] = [];
  while (times.length < PAIRS) times.push((await bench.spell()).ns);
  return times;
}

async function measure(bench: Bench, name: string, scene: Scene): Promise<void> {
  const drawn: number[] = [];
  const cost = await costOf(PAIRS, async (isWith) => {
    if (isWith) await scene.enter();
    await bench.page.waitForTimeout(SETTLE_MS);
    const { ns, drawing } = await bench.spell(isWith ? scene.turns : undefined);
    if (isWith) {
      drawn.push(drawing);
      await scene.leave();
    }
    return ns;
  });
  print(name, bench.load, cost, median(drawn));
}

/** The panels there are, by the tabs of an inspector that is left open. */
async function panelsOf(page: Page): Promise<string[]> {
  await open(page, "devices");
  const tabs = page.getByRole("tab");
  await tabs.first().waitFor();
  return tabs.evaluateAll((all) => all.map((tab) => tab.id.replace(/^inspector-tab-/, "")));
}

const asked = process.argv.slice(2);
const isAsked = (name: string): boolean => asked.length === 0 || asked.includes(name);
const site = await buildSite();
const browser = await launch("chromium");
for (const load of LOAD_NAMES) {
  const page = await (await browser.newContext()).newPage();
  const bench = await Bench.start(page, load);
  const never = isAsked("closed") ? await series(bench) : undefined;
  const panels = await panelsOf(page);
  const names = [...panels, "nothing", "background", "all"];
  const unknown = asked.filter((name) => name !== "closed" && !names.includes(name));
  if (unknown.length > 0)
    throw new Error(`no ${unknown.join(", ")}; there are ${names.join(", ")}, closed`);
  if (never !== undefined) {
    await visit(page, panels);
    await open(page);
    await page.waitForTimeout(LEFT_MS);
    const again = await series(bench);
    print("closed", load, costOfPairs(again.map((ns, i) => [ns, never[i]])));
  }
  await open(page);
  for (const name of names.filter(isAsked)) await measure(bench, name, sceneOf(page, name, panels));
  await page.context().close();
}
await browser.close();
await site.close();
