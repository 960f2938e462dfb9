/** A server of files that any page may read, by parts too: what the address of an image points to. */
import { createServer } from "node:http";
import { listenOnLoopback } from "../relay/loopback-port.ts";

export interface OpenServer {
  /** Its address, with a slash at the end. */
  readonly url: string;
  /** Bytes of the file `name` sent so far. */
  sent(name: string): number;
  close(): void;
}

/** Serves `files` by their names. */
export async function startOpenServer(files: Record<string, Uint8Array>): Promise<OpenServer> {
  const sent = new Map<string, number>();
  const server = createServer((request, response) => {
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Expose-Headers", "Content-Range, ETag");
    const name = request.url?.slice(1) ?? "";
    const file = files[name];
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader("ETag", `"${file.length}"`);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const [start, end] = range ? [Number(range[1]), Number(range[2]) + 1] : [0, file.length];
    if (range) {
      response.statusCode = 206;
      response.setHeader("Content-Range", `bytes ${start}-${end - 1}/${file.length}`);
    }
    const part = file.subarray(start, end);
    sent.set(name, (sent.get(name) ?? 0) + part.length);
    response.end(part);
  });
  const port = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}/`,
    sent: (name) => sent.get(name) ?? 0,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
