/** How often driver and device notify each other, as the inspector shows it. */
import type { Page } from "@playwright/test";
import type { IoWorkload } from "./io-workloads.ts";

export interface Counts {
  readonly requests: number;
  readonly kicks: number;
  readonly interrupts: number;
}

/** From then on the panel has had an answer; it asks four times a second. */
const SETTLE_MS = 1500;

/** Since the machine's start. The inspector is closed again. */
export async function countsOf(
  page: Page,
  { slot, requests }: NonNullable<IoWorkload["counts"]>,
): Promise<Counts> {
  await show(page, `inspect=devices/${slot}`);
  const facts = await page
    .locator(".kit-facts > div")
    .evaluateAll((rows) =>
      rows.map((row) => [
        row.querySelector("dt")?.textContent ?? "",
        row.querySelector("dd")?.textContent ?? "",
      ]),
    );
  const queues = await page
    .locator("[aria-label=Queues] tr")
    .evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.textContent ?? "")),
    );
  await show(page, "");
  const count = (text: string): number => Number(text.replace(/\D/g, ""));
  const of = (name: string): number => {
    const fact = facts.find(([known]) => known === name);
    if (fact === undefined) throw new Error(`the inspector does not show ${name}`);
    return count(fact[1]);
  };
  const ofQueues = (title: string): number => {
    const [titles = [], ...rows] = queues;
    const column = titles.indexOf(title);
    if (column < 0) throw new Error(`the inspector does not show ${title}`);
    return rows.reduce((sum, cells) => sum + count(cells[column]), 0);
  };
  return {
    requests: requests.reduce((sum, name) => sum + of(name), 0),
    kicks: ofQueues("Kicks"),
    interrupts: ofQueues("Interrupts"),
  };
}

async function show(page: Page, place: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, place);
  await page.waitForTimeout(SETTLE_MS);
}

/** Of what happened in between. */
export function perRequest(before: Counts, after: Counts): Counts {
  const requests = after.requests - before.requests;
  return {
    requests,
    kicks: (after.kicks - before.kicks) / requests,
    interrupts: (after.interrupts - before.interrupts) / requests,
  };
}
