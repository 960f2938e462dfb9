/** A page with a guest, as benches drive it. */
import type { Browser, Page } from "@playwright/test";

const BOOT_MS = 60_000;

/** What is used of a page, Playwright's or another. */
export interface DrivenPage {
  goto(url: string): Promise<unknown>;
  evaluate<A, R>(work: (argument: A) => R | Promise<R>, argument: A): Promise<R>;
  evaluate<R>(work: () => R | Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** Types into the guest's terminal. */
export const send = (page: DrivenPage, text: string): Promise<void> =>
  page.evaluate((typed) => window.tabvisor?.send(typed), text);

/** Waits for the shell's prompt; gives the time since the navigation began, in ms. */
export async function prompt(page: Page): Promise<number> {
  const handle = await page.waitForFunction(
    () => /[#$] ?$/.test(window.tabvisor?.text() ?? "") && performance.now(),
    null,
    { polling: 10, timeout: BOOT_MS },
  );
  return Number(await handle.jsonValue());
}

/** Waits until the terminal shows `text`. */
export async function see(page: Page, text: string, timeoutMs: number): Promise<void> {
  await page.waitForFunction((wanted) => window.tabvisor?.text().includes(wanted), text, {
    polling: 20,
    timeout: timeoutMs,
  });
}

/** Process ids of all renderers. */
export async function renderers(browser: Browser): Promise<number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}
