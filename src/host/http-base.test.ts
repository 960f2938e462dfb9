import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  BaseImageError,
  BLOCK_BYTES,
  blobBase,
  type Fetch,
  openHttpBase,
  RETRY_MS,
} from "./http-base.ts";

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
    const limited = { maxWholeBytes: length - 1 };
    expect((await openHttpBase("http://x/disk.img", fetch, { maxWholeBytes: length })).size).toBe(
      length,
    );
    await expect(openHttpBase("http://x/disk.img", fetch, limited)).rejects.toThrow("1 MiB");
    const packed = serve(new Uint8Array(gzipSync(IMAGE)), false);
    await expect(openHttpBase("http://x/a.gz", packed.fetch, limited)).rejects.toThrow("1 MiB");
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

  it("says so when a whole file does not arrive, or is damaged", async () => {
    const torn = new ReadableStream({
      pull: (controller) => controller.error(new TypeError("network error")),
    });
    const cut: Fetch = async () => new Response(torn);
    await expect(openHttpBase("http://x/disk.img", cut)).rejects.toThrow(BaseImageError);
    const packed = new Uint8Array(gzipSync(IMAGE)).fill(0, 1000, 2000);
    const damaged = serve(packed, false);
    await expect(openHttpBase("http://x/a.gz", damaged.fetch)).rejects.toThrow("damaged");
  });
});

describe("a server that fails", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** How a part may be answered instead of as it should. */
  const FAULTS: Record<string, (good: Response) => Response | Promise<Response>> = {
    "does not answer": () => Promise.reject(new TypeError("fetch failed")),
    "answers 500": () => new Response("", { status: 500 }),
    "answers 503": () => new Response("", { status: 503 }),
    "answers 429": () => new Response("", { status: 429 }),
    "sends too little": async (good) => {
      const bytes = await good.arrayBuffer();
      return new Response(bytes.slice(0, -1), { status: 206, headers: good.headers });
    },
    "sends another part": (good) => {
      const headers = new Headers(good.headers);
      headers.set("Content-Range", `bytes 1-2/${IMAGE.length}`);
      return new Response(good.body, { status: 206, headers });
    },
    "tears the connection": (good) => {
      const torn = new ReadableStream({
        pull: (controller) => controller.error(new TypeError("network error")),
      });
      return new Response(torn, { status: 206, headers: good.headers });
    },
  };

  /** A base whose server fails the next `failures` requests after it was opened. */
  async function open(fault: keyof typeof FAULTS, failures: number) {
    const server = serve(IMAGE, true);
    const trouble: (string | undefined)[] = [];
    let left = 0;
    const fetch: Fetch = async (url, init) => {
      const good = await server.fetch(url, init);
      return left-- > 0 ? FAULTS[fault](good) : good;
    };
    const onTrouble = (error: BaseImageError | undefined) => trouble.push(error?.message);
    const base = await openHttpBase("http://x/disk.img", fetch, { onTrouble });
    left = failures;
    return { base, server, trouble };
  }

  it.each(Object.keys(FAULTS))(
    "and %s is asked again, and the guest sees nothing",
    async (fault) => {
      const { base, server, trouble } = await open(fault, RETRY_MS.length);
      const reading = base.read(0, 100);
      for (const wait of RETRY_MS) await vi.advanceTimersByTimeAsync(wait);
      expect(await reading).toEqual(IMAGE.slice(0, 100));
      expect(server.requests).toHaveLength(2 + RETRY_MS.length);
      expect(trouble).toHaveLength(RETRY_MS.length + 1);
      expect(trouble.at(-1)).toBeUndefined();
      expect(trouble.slice(0, -1)).not.toContain(undefined);
    },
  );

  it.each(Object.keys(FAULTS))(
    "and %s for long is an error, until it is asked anew",
    async (fault) => {
      const { base } = await open(fault, RETRY_MS.length + 1);
      const reading = expect(base.read(0, 100)).rejects.toThrow(BaseImageError);
      for (const wait of RETRY_MS) await vi.advanceTimersByTimeAsync(wait);
      await reading;
      expect(await base.read(0, 100)).toEqual(IMAGE.slice(0, 100));
    },
  );

  it.each([404, 403, 410])("with %i is not asked again", async (status) => {
    const server = serve(IMAGE, true);
    const base = await openHttpBase("http://x/disk.img", (url, init) =>
      server.requests.length === 0
        ? server.fetch(url, init)
        : Promise.resolve(new Response("", { status })),
    );
    await expect(base.read(0, 100)).rejects.toThrow(`answered ${status}`);
  });

  it("refuses an image of another length, or that is given whole all of a sudden", async () => {
    const server = serve(IMAGE, true);
    const base = await openHttpBase("http://x/disk.img", server.fetch);
    const longer = serve(new Uint8Array(IMAGE.length + 1), true);
    server.fetch = longer.fetch;
    const other = await openHttpBase("http://x/disk.img", (url, init) => server.fetch(url, init));
    server.fetch = serve(IMAGE, true).fetch;
    await expect(other.read(0, 10)).rejects.toThrow("changed on its server");
    server.fetch = serve(new Uint8Array(IMAGE.length + 1), false).fetch;
    await expect(other.read(BLOCK_BYTES, 10)).rejects.toThrow("changed on its server");
    expect(await base.read(0, 10)).toEqual(IMAGE.slice(0, 10));
  });
});

describe("blobBase", () => {
  it("reads a picked file in place", async () => {
    const base = blobBase(new Blob([IMAGE]), "picked");
    expect(await base.read(77, 5)).toEqual(IMAGE.slice(77, 82));
  });

  it("says so when the file cannot be read any more", async () => {
    const gone = new Blob([IMAGE]);
    gone.slice = () => {
      const part = new Blob([IMAGE]);
      part.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotReadableError"));
      return part;
    };
    await expect(blobBase(gone, "picked").read(0, 5)).rejects.toThrow(BaseImageError);
    const cut = blobBase(new Blob([IMAGE.slice(0, 100)]), "picked");
    await expect(cut.read(90, 20)).rejects.toThrow(BaseImageError);
  });
});
