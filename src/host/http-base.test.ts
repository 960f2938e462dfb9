import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES, blobBase, type Fetch, openHttpBase } from "./http-base.ts";

const IMAGE = Uint8Array.from({ length: 3 * BLOCK_BYTES + 1000 }, (_, i) => i ^ (i >> 8));

interface Server {
  fetch: Fetch;
  requests: string[];
  etag: string;
}

/** A server that gives `body`, by parts if `ranges`. */
function serve(body: Uint8Array<ArrayBuffer>, ranges: boolean): Server {
  const server: Server = {
    requests: [],
    etag: '"1"',
    fetch: async (_url, init) => {
      const asked = new Headers(init?.headers).get("Range");
      server.requests.push(asked ?? "whole");
      const range = /^bytes=(\d+)-(\d+)$/.exec(asked ?? "");
      if (!ranges || range === null) return new Response(body, { headers: { ETag: server.etag } });
      const [start, end] = [Number(range[1]), Number(range[2]) + 1];
      const headers = {
        ETag: server.etag,
        "Content-Range": `bytes ${start}-${end - 1}/${body.length}`,
      };
      return new Response(body.slice(start, end), { status: 206, headers });
    },
  };
  return server;
}

describe("openHttpBase", () => {
  it("fetches the blocks that are read, once each", async () => {
    const server = serve(IMAGE, true);
    const base = await openHttpBase("http://x/disk.img", server.fetch);
    expect(base.size).toBe(IMAGE.length);
    const from = BLOCK_BYTES - 10;
    expect(await base.read(from, 20)).toEqual(IMAGE.slice(from, from + 20));
    await base.read(0, 100);
    expect(server.requests).toHaveLength(3);
    const tail = IMAGE.length - 50;
    expect(await base.read(tail, 50)).toEqual(IMAGE.slice(tail));
  });

  it("takes the whole file from a server without ranges", async () => {
    const server = serve(IMAGE, false);
    const base = await openHttpBase("http://x/disk.img", server.fetch);
    expect(await base.read(5, 9)).toEqual(IMAGE.slice(5, 14));
    expect(server.requests).toHaveLength(1);
  });

  it("takes no more than its limit whole", async () => {
    const { fetch } = serve(IMAGE, false);
    const length = IMAGE.length;
    expect((await openHttpBase("http://x/disk.img", fetch, length)).size).toBe(length);
    await expect(openHttpBase("http://x/disk.img", fetch, length - 1)).rejects.toThrow("1 MiB");
    const packed = serve(new Uint8Array(gzipSync(IMAGE)), false);
    await expect(openHttpBase("http://x/a.gz", packed.fetch, length - 1)).rejects.toThrow("1 MiB");
  });

  it("unpacks a gzip file whichever way it comes", async () => {
    for (const ranges of [true, false]) {
      const server = serve(new Uint8Array(gzipSync(IMAGE)), ranges);
      const base = await openHttpBase("http://x/disk.img.gz", server.fetch);
      expect(base.size).toBe(IMAGE.length);
      expect(await base.read(1000, 9)).toEqual(IMAGE.slice(1000, 1009));
    }
  });

  it("names the exact version, and refuses to mix two", async () => {
    const server = serve(IMAGE, true);
    const base = await openHttpBase("http://x/disk.img", server.fetch);
    expect(base.identity).toBe('http://x/disk.img "1"');
    await base.read(0, 1);
    server.etag = '"2"';
    await expect(base.read(BLOCK_BYTES, 1)).rejects.toThrow("changed on its server");
  });

  it("says what the server answered", async () => {
    const missing: Fetch = async () => new Response("", { status: 404 });
    await expect(openHttpBase("http://x/no", missing)).rejects.toThrow("answered 404");
    const offline: Fetch = () => Promise.reject(new TypeError("fetch failed"));
    await expect(openHttpBase("http://x/no", offline)).rejects.toThrow("cannot be reached");
  });

  it("asks again after a failed block", async () => {
    const server = serve(IMAGE, true);
    const base = await openHttpBase("http://x/disk.img", (url, init) =>
      server.requests.length === 1 && server.requests.push("failed")
        ? Promise.reject(new TypeError("offline"))
        : server.fetch(url, init),
    );
    await expect(base.read(0, 10)).rejects.toThrow("cannot be reached");
    expect(await base.read(0, 10)).toEqual(IMAGE.slice(0, 10));
  });
});

describe("blobBase", () => {
  it("reads a picked file in place", async () => {
    const base = blobBase(new Blob([IMAGE]), "picked");
    expect(await base.read(77, 5)).toEqual(IMAGE.slice(77, 82));
  });
});
