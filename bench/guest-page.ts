/** A page with a guest, as benches drive it. */
import type { Browser, Page } from "@playwright/test";

const BOOT_MS = 60_000;

/** Types into the guest's terminal. */
export const send = (page: Page, text: string): Promise<void> =>
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
