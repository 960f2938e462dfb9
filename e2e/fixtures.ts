/** What every test starts from: the built page on a server with a relay, and a page to open it in. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, test as base } from "@playwright/test";
import { startSite } from "../cli/start.ts";
import { Downloads } from "./downloads.ts";
import { Vm } from "./vm.ts";

export const DIST = fileURLToPath(new URL("../dist", import.meta.url));

/** On tests outside boot.spec.ts that Firefox has to pass too: what its storage does is its own. */
export const FIREFOX_TOO = "@firefox";

/** Of a page's address: the guest's own start leaves the disk alone. */
export const RAW_DISK = "append=console%3Dhvc0%20quiet%20tabvisor.disk%3Dnone";

interface TestFixtures {
  /** A page that has not been opened. */
  readonly vm: Vm;
  /** A browser whose storage is on a disk, as a person's is. */
  readonly profile: BrowserContext;
  /** A page of that browser, which has not been opened. */
  readonly kept: Vm;
}

interface WorkerFixtures {
  /** Address of the page. */
  readonly site: string;
  /** Files that pages give. */
  readonly downloads: Downloads;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  site: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names from the pattern.
    async ({}, use) => {
      // The download test serves files on this computer's loopback.
      const site = await startSite(DIST, { port: 0, allow: ["host"] });
      await use(site.url);
      await site.close();
    },
    { scope: "worker" },
  ],
  downloads: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names from the pattern.
    async ({}, use) => {
      const downloads = await Downloads.create();
      await use(downloads);
      await downloads.dispose();
    },
    { scope: "worker" },
  ],
  launchOptions: [
    async ({ launchOptions, downloads }, use) => {
      await use({ ...launchOptions, downloadsPath: downloads.folder });
    },
    { scope: "worker" },
  ],
  vm: async ({ page }, use) => {
    await use(new Vm(page));
  },
  profile: async ({ playwright, browserName, channel, launchOptions }, use) => {
    const folder = await mkdtemp(join(tmpdir(), "tabvisor-e2e-"));
    const options = { ...launchOptions, ...(channel !== undefined && { channel }) };
    const context = await playwright[browserName].launchPersistentContext(folder, options);
    await use(context);
    await context.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  },
  kept: async ({ profile }, use) => {
    await use(new Vm(await profile.newPage()));
  },
});

export { expect } from "@playwright/test";
