/** A static host without any special headers, with the page under a sub-path: the least there is. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { listenOnLoopback } from "../relay/loopback-port.ts";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

export interface PlainHost {
  /** Where the page is, with a slash at the end. */
  readonly url: string;
  /** Paths that were asked for and do not exist. */
  readonly missing: readonly string[];
  close(): void;
}

/** Serves `root` under `/some/where/`. */
export async function startPlainHost(root: string): Promise<PlainHost> {
  const prefix = "/some/where/";
  const missing: string[] = [];
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const name = path === prefix ? "index.html" : path.slice(prefix.length);
    const file = path.startsWith(prefix) ? join(root, normalize(`/${name}`)) : root;
    readFile(file).then(
      (bytes) => {
        response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
        response.end(bytes);
      },
      () => {
        // A page looks for a relay where it comes from; a plain host has none.
        if (!path.startsWith("/lan/")) missing.push(path);
        response.writeHead(404).end("not here");
      },
    );
  });
  const port = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    missing,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
