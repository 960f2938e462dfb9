import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type ImageRequest, loadImage } from "./images.ts";

const BYTES = Uint8Array.from({ length: 40_000 }, (_, i) => i % 251);

function request(response: () => Response | Promise<Response>, progress: number[][] = []) {
  return {
    name: "kernel",
    source: { kind: "url", url: "http://x/Image" },
    fetch: async () => response(),
    onProgress: (loaded, total) => progress.push([loaded, total ?? -1]),
    signal: new AbortController().signal,
  } satisfies ImageRequest as ImageRequest;
}

describe("loadImage", () => {
  it("gives plain files as they are and unpacks gzip files", async () => {
    expect(await loadImage(request(() => new Response(BYTES)))).toEqual(BYTES);
    const packed = new Uint8Array(gzipSync(BYTES));
    expect(await loadImage(request(() => new Response(packed)))).toEqual(BYTES);
    const file = new File([packed], "Image.gz");
    const picked = { ...request(() => new Response()), source: { kind: "file" as const, file } };
    expect(await loadImage(picked)).toEqual(BYTES);
  });

  it("reports bytes as they come, and the total when it means the same bytes", async () => {
    const progress: number[][] = [];
    const headers = { "Content-Length": String(BYTES.length) };
    await loadImage(request(() => new Response(BYTES, { headers }), progress));
    expect(progress.at(-1)).toEqual([BYTES.length, BYTES.length]);
    const encoded = { ...headers, "Content-Encoding": "gzip" };
    await loadImage(request(() => new Response(BYTES, { headers: encoded }), progress));
    expect(progress.at(-1)).toEqual([BYTES.length, -1]);
    const told = { ...encoded, "X-Unpacked-Length": String(BYTES.length) };
    await loadImage(request(() => new Response(BYTES, { headers: told }), progress));
    expect(progress.at(-1)).toEqual([BYTES.length, BYTES.length]);
  });

  it("takes no more than its limit", async () => {
    const packed = new Uint8Array(gzipSync(BYTES));
    const limited = (maxBytes: number) =>
      loadImage({ ...request(() => new Response(packed)), maxBytes });
    expect(await limited(BYTES.length)).toHaveLength(BYTES.length);
    await expect(limited(BYTES.length - 1)).rejects.toThrow("unpacks to more");
  });

  it("tells a missing file, a web page, a dead server and a torn file apart", async () => {
    const html = { headers: { "Content-Type": "text/html; charset=utf-8" } };
    const torn = new Uint8Array(gzipSync(BYTES)).slice(0, 100);
    const cases: [() => Response | Promise<Response>, string][] = [
      [() => new Response("", { status: 404 }), "answered 404"],
      [() => new Response("<p>", html), "a web page at"],
      [() => Promise.reject(new TypeError("failed")), "cannot be reached"],
      [() => new Response(torn), "did not arrive whole"],
    ];
    for (const [response, message] of cases) {
      await expect(loadImage(request(response))).rejects.toThrow(message);
    }
  });
});
