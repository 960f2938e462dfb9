/**
 * `npm run bench:inspector`: what it costs the guest that a panel of the inspector is shown. In one page
 * the guest does the same work again and again, computing and reading its disk past the page cache;
 * runs with a panel and with the inspector closed alternate.
 */
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { build } from "vite";
import { startSite } from "../cli/start.ts";
import { median } from "./median.ts";
import { launch } from "./systems.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SITE = `${ROOT}bench/.cache/inspector-site`;

/** Of each panel, and of the closed inspector before each of these. */
const RUNS = 7;
const WARM_UP_RUNS = 3;
/** From then on a panel has loaded its code and asked its first questions. */
const SETTLE_MS = 1500;
const RUN_MS = 120_000;

const WORK =
  "lua -e 'local s = 0 for i = 1, 4e7 do s = s + i % 7 end'; dd if=/dev/vda of=/dev/null bs=4k count=4096 iflag=direct 2>/dev/null";

let runs = 0;

/** How long the guest takes for its work, in ms. */
async function run(page: Page): Promise<number> {
  const mark = `done.${++runs}`;
  // The line's echo has the quotes in it.
  await page.evaluate(
    (line) => window.tabvisor?.send(line),
    `clear; ${WORK}; echo do''ne.${runs}\r`,
  );
  const start = await page.evaluate(() => performance.now());
  const end = await page.waitForFunction(
    (text) => window.tabvisor?.text().includes(text) && performance.now(),
    mark,
    { polling: 20, timeout: RUN_MS },
  );
  return Number(await end.jsonValue()) - start;
}

async function show(page: Page, panel: string | undefined): Promise<void> {
  await page.evaluate((id) => {
    location.hash = id === undefined ? "" : `inspect=${id}`;
  }, panel);
  await page.waitForTimeout(SETTLE_MS);
}

await build({ root: ROOT, logLevel: "warn", build: { outDir: SITE, emptyOutDir: true } });
const site = await startSite(SITE, ["--port", "0"]);
if (site === "help") throw new Error("no site");
const browser = await launch("chromium");
const page = await (await browser.newContext()).newPage();
await page.goto(`${site.url}#inspect=`);
await page.waitForFunction(() => /[#$] ?$/.test(window.tabvisor?.text() ?? ""));
const ids = await page
  .getByRole("tab")
  .evaluateAll((tabs) => tabs.map((tab) => tab.id.replace(/^inspector-tab-/, "")));
// The timeline goes on with its record for a while after it was shown.
const panels = [...ids.filter((id) => id !== "timeline"), "timeline"];
await show(page, undefined);
for (let i = 0; i < WARM_UP_RUNS; i++) await run(page);
for (const panel of panels) {
  const closed: number[] = [];
  const shown: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    await show(page, undefined);
    closed.push(await run(page));
    await show(page, panel);
    shown.push(await run(page));
  }
  const percent = 100 * (median(shown) / median(closed) - 1);
  process.stdout.write(`${panel.padEnd(12)} ${percent.toFixed(1).padStart(6)} %\n`);
}
await browser.close();
await site.close();
