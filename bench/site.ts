/** The page that is measured: built anew, on a server with a relay. */
import { linkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { type Site, startSite } from "../cli/start.ts";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
export const CACHE = `${ROOT}bench/.cache`;

export interface SiteContents {
  /** A file of the cache that pages can have as a disk. */
  readonly disk?: string;
  /** What guests may reach beside public addresses, as the relay's `--allow` has it. */
  readonly allow?: readonly string[];
}

export async function buildSite({ disk, allow = [] }: SiteContents = {}): Promise<Site> {
  const root = `${CACHE}/site`;
  await build({ root: ROOT, logLevel: "warn", build: { outDir: root, emptyOutDir: true } });
  if (disk !== undefined) linkSync(`${CACHE}/${disk}`, `${root}/${disk}`);
  return startSite(root, { port: 0, allow });
}
