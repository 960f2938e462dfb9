/** Takes the files that the page gives to the person. */
import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, type Page } from "@playwright/test";

/** An export is ready some time after it was asked for. */
const TIMEOUT_MS = 60_000;

export interface Downloaded {
  /** The name that the page gave it. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
}

export class Downloads {
  /** A directory for files that are not taken yet. */
  readonly folder: string;
  readonly #taken: string;

  private constructor(folder: string, taken: string) {
    this.folder = folder;
    this.#taken = taken;
  }

  static async create(): Promise<Downloads> {
    const make = () => mkdtemp(join(tmpdir(), "tabvisor-downloads-"));
    return new Downloads(await make(), await make());
  }

  /** Does what makes the page give a file; gives that file. */
  async take(page: Page, begin: () => Promise<void>): Promise<Downloaded> {
    const browser = page.context().browser()?.browserType().name();
    return browser === "firefox" ? this.#fromFolder(begin) : fromEvent(page, begin);
  }

  async dispose(): Promise<void> {
    for (const folder of [this.folder, this.#taken]) await rm(folder, { recursive: true });
  }

  /** Firefox's messages about a download of a Blob do not name it, for which Playwright drops them. */
  async #fromFolder(begin: () => Promise<void>): Promise<Downloaded> {
    await begin();
    let name = "";
    const isWhole = async (): Promise<boolean> => {
      const names = await readdir(this.folder);
      name = names[0] ?? "";
      // While it is written, an empty file keeps its name and another one has the bytes.
      return names.length === 1 && (await stat(join(this.folder, name))).size > 0;
    };
    await expect.poll(isWhole, { timeout: TIMEOUT_MS }).toBe(true);
    const path = join(await mkdtemp(join(this.#taken, "file-")), name);
    await rename(join(this.folder, name), path);
    return { name, path };
  }
}

async function fromEvent(page: Page, begin: () => Promise<void>): Promise<Downloaded> {
  const event = page.waitForEvent("download", { timeout: TIMEOUT_MS });
  await begin();
  const download = await event;
  return { name: download.suggestedFilename(), path: await download.path() };
}
