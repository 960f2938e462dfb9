/**
 * `npm run bench:scroll [REQUESTS]`: what it costs the page to scroll through a timeline of 100,000 requests.
 * For each speed it prints, per frame, the processor time of the main thread (in all, and of it script, style and layout,
 * by the browser's own count) and how long frames took. The first must stay well below 16 ms; the second also has what
 * other threads draw, which a computer without graphics does by software, and the machine's Worker beside it.
 */
import type { CDPSession, Page } from "@playwright/test";
import { prompt, see, send } from "./guest-page.ts";
import { buildSite } from "./site.ts";
import { launch } from "./systems.ts";

const REQUESTS = Number(process.argv[2] ?? 100_000);
/** The guest reads the disk past its page cache, in one request each. */
const WORK = `dd if=/dev/vda of=/dev/null bs=4k count=${REQUESTS} iflag=direct`;
const WORK_MS = 300_000;
const FRAMES = 240;

/**
 * Pixels per frame: a wheel, a fast finger, and the scroll bar dragged through all of it; there and back if the list is
 * too short.
 */
const SPEEDS = [48, 480, 9600];

interface Frames {
  /** How long each took, in ms, shortest first. */
  readonly intervals: readonly number[];
  /** Frames in which a part of the list in sight had nothing in it. */
  readonly empty: number;
  /** Frames in which the page knew where the list was, and showed requests of where it had been. */
  readonly late: number;
}

/** Scrolls by so many pixels each frame. To look at what is to be seen takes time, too. */
const scroll = (page: Page, pixels: number, looks: boolean): Promise<Frames> =>
  page.getByRole("listbox", { name: "Requests" }).evaluate(
    async (list, { pixels, frames, looks }) => {
      list.scrollTop = 0;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const intervals: number[] = [];
      const box = list.getBoundingClientRect();
      const head = list.firstElementChild!.getBoundingClientRect();
      const room = list.clientHeight - head.height;
      let [last, empty, late, step] = [performance.now(), 0, 0, pixels];
      for (let i = 0; i < frames; i++) {
        const before = list.scrollTop;
        const filled = looks ? [...list.querySelectorAll("[role=option]:not(:empty)")] : [];
        const top = `${Math.floor(before / head.height) + 1}`;
        if (i > 0 && !filled.some((row) => row.ariaPosInSet === top)) late++;
        list.scrollTop += step;
        if (list.scrollTop === before) step = -step;
        // What is painted now, before the page hears of it.
        let seen = 0;
        for (const row of filled) {
          const { y, bottom } = row.getBoundingClientRect();
          seen += Math.max(0, Math.min(bottom, box.bottom) - Math.max(y, head.bottom));
        }
        if (seen < room - 2) empty++;
        const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
        intervals.push(now - last);
        last = now;
      }
      return { intervals: intervals.sort((a, b) => a - b), empty, late };
    },
    { pixels, frames: FRAMES, looks },
  );

/** Seconds of the main thread since the page began. */
async function metrics(session: CDPSession): Promise<Map<string, number>> {
  const { metrics: all } = await session.send("Performance.getMetrics");
  return new Map(all.map(({ name, value }) => [name, value]));
}

const site = await buildSite();
const browser = await launch("chromium");
const page = await (await browser.newContext({ viewport: { width: 1600, height: 900 } })).newPage();
await page.goto(`${site.url}#inspect=timeline`);
await prompt(page);
const count = page.getByLabel("Requests shown");
await count.waitFor();
await send(page, `${WORK}; echo do''ne\r`);
await see(page, "done", WORK_MS);
const session = await page.context().newCDPSession(page);
// Time of the processor: what else the computer does meanwhile does not count.
await session.send("Performance.enable", { timeDomain: "threadTicks" });
for (const pixels of SPEEDS) {
  const before = await metrics(session);
  const { intervals } = await scroll(page, pixels, false);
  const after = await metrics(session);
  const { empty, late } = await scroll(page, pixels, true);
  const perFrame = (name: string): string => {
    const seconds = (after.get(name) ?? 0) - (before.get(name) ?? 0);
    return ((seconds * 1000) / FRAMES).toFixed(2);
  };
  const at = (share: number): string => intervals[Math.floor(share * (FRAMES - 1))].toFixed(1);
  process.stdout.write(
    `${String(pixels).padStart(5)} px a frame: ${perFrame("TaskDuration")} ms, of it script ${perFrame("ScriptDuration")} ms, ` +
      `style ${perFrame("RecalcStyleDuration")} ms, layout ${perFrame("LayoutDuration")} ms; ` +
      `frames of ${at(0.5)} ms, 95% within ${at(0.95)} ms; of ${FRAMES} ` +
      `${empty} with empty places, ${late} late\n`,
  );
}
process.stdout.write(`${await count.textContent()} requests\n`);
await browser.close();
await site.close();
