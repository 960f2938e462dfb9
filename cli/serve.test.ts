import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { CONTENT_SECURITY_POLICY, MAX_KEPT_BYTES, staticFiles } from "./serve.ts";

let folder: string;
let server: Server;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "serve-"));
  const root = join(folder, "dist");
  await mkdir(join(root, "assets"), { recursive: true });
  await mkdir(join(folder, "dist-other"));
  await writeFile(join(folder, "secret.txt"), "secret");
  await writeFile(join(folder, "dist-other", "secret.txt"), "secret");
  await writeFile(join(root, "index.html"), "<!doctype html>");
  await writeFile(join(root, "disk.img"), "0123456789");
  await writeFile(join(root, "empty.img"), "");
  await writeFile(join(root, "kernel.gz"), gzipSync("kernel".repeat(1000)));
  await writeFile(join(root, "large.gz"), gzipSync(Buffer.alloc(MAX_KEPT_BYTES + 1)));
  await writeFile(join(root, "short.gz"), "too short");
  await writeFile(join(root, "assets", "a-1f2e.wasm"), "wasm");
  await writeFile(join(root, "a b+ü.json"), "{}");
  await symlink(join(folder, "secret.txt"), join(root, "link.txt"));
  server = createServer(staticFiles(root));
  port = await listenOnLoopback(server);
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

interface Reply {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: string;
}

/** Sends the path as it is, without the tidying that `fetch` does. */
function get(path: string, headers = {}, method = "GET"): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, path, headers, method, agent: false }, (reply) => {
      let body = "";
      reply.on("data", (data) => {
        body += data;
      });
      reply.on("end", () => resolve({ status: reply.statusCode!, headers: reply.headers, body }));
    });
    outgoing.on("error", reject).end();
  });
}

describe("files", () => {
  it("come with type, length and isolation headers", async () => {
    const { status, headers, body } = await get("/");
    expect([status, body]).toEqual([200, "<!doctype html>"]);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-length": "15",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
      "cache-control": "no-cache",
    });
    expect((await get("/assets/a-1f2e.wasm")).headers).toMatchObject({
      "content-type": "application/wasm",
      "cache-control": expect.stringContaining("immutable"),
    });
    expect((await get("/disk.img?x=1")).headers["content-type"]).toBe("application/octet-stream");
  });

  it("may have any name", async () => {
    expect((await get("/a%20b+%C3%BC.json")).body).toBe("{}");
  });

  it("are not sent again when they have not changed", async () => {
    const first = await get("/disk.img");
    const again = await get("/disk.img", { "If-None-Match": first.headers.etag });
    expect([again.status, again.body]).toEqual([304, ""]);
  });

  it("are only described to HEAD", async () => {
    const { status, headers, body } = await get("/disk.img", {}, "HEAD");
    expect([status, headers["content-length"], body]).toEqual([200, "10", ""]);
  });

  it("of no bytes are served", async () => {
    expect(await get("/empty.img")).toMatchObject({ status: 200, body: "" });
    expect((await get("/empty.img", { Range: "bytes=0-" })).status).toBe(416);
  });
});

describe("gzip files", () => {
  const local = { "Accept-Encoding": "br, gzip;q=0.8" };
  const gzip = { ...local, Via: "1.1 proxy" };

  it("are sent unpacked on the same computer", async () => {
    const { headers, body } = await get("/kernel.gz", local);
    expect(headers["content-encoding"]).toBeUndefined();
    expect(headers).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": "6000",
      vary: "Accept-Encoding",
    });
    expect(body).toBe("kernel".repeat(1000));
    const again = await get("/kernel.gz", { ...local, "If-None-Match": headers.etag });
    expect(again.status).toBe(304);
    const packed = await get("/kernel.gz", { ...gzip, "If-None-Match": headers.etag });
    expect(packed.status).toBe(200);
    expect((await get("/large.gz", local)).headers["content-encoding"]).toBe("gzip");
    expect((await get("/kernel.gz", local, "HEAD")).headers["content-length"]).toBe("6000");
  });

  it("are unpacked by the client on the way if it can", async () => {
    const { headers } = await get("/kernel.gz", gzip);
    expect(headers).toMatchObject({
      "content-encoding": "gzip",
      "content-type": "application/octet-stream",
      "x-unpacked-length": "6000",
      vary: "Accept-Encoding",
    });
    const again = await get("/kernel.gz", { ...gzip, "If-None-Match": headers.etag });
    expect(again.status).toBe(304);
    const plain = await get("/kernel.gz", { "If-None-Match": headers.etag });
    expect(plain.status).toBe(200);
  });

  it("come as they are in parts, to others, and if they are none", async () => {
    const asTheyAre = [
      await get("/kernel.gz"),
      await get("/kernel.gz", { "Accept-Encoding": "gzip;q=0" }),
      await get("/kernel.gz", { ...gzip, Range: "bytes=0-3" }),
      await get("/short.gz", gzip),
    ];
    for (const { headers } of asTheyAre) {
      expect(headers["content-encoding"]).toBeUndefined();
      expect(headers["content-type"]).toBe("application/gzip");
    }
  });
});

describe("ranges", () => {
  const range = async (value: string, headers = {}) => {
    const reply = await get("/disk.img", { Range: value, ...headers });
    return [reply.status, reply.headers["content-range"], reply.body];
  };

  it("are served one at a time", async () => {
    expect(await range("bytes=2-4")).toEqual([206, "bytes 2-4/10", "234"]);
    expect(await range("bytes=7-")).toEqual([206, "bytes 7-9/10", "789"]);
    expect(await range("bytes=-3")).toEqual([206, "bytes 7-9/10", "789"]);
    expect(await range("bytes=-30")).toEqual([206, "bytes 0-9/10", "0123456789"]);
    expect(await range("bytes=8-99")).toEqual([206, "bytes 8-9/10", "89"]);
  });

  it("that cannot be are refused or ignored, as the standard says", async () => {
    expect(await range("bytes=10-")).toEqual([416, "bytes */10", expect.any(String)]);
    expect(await range("bytes=-0")).toEqual([416, "bytes */10", expect.any(String)]);
    for (const value of ["bytes=4-2", "bytes=1-2,4-5", "lines=1-2", "bytes=-", "bytes=x-1"]) {
      expect(await range(value)).toEqual([200, undefined, "0123456789"]);
    }
    expect(await range("bytes=2-4", { "If-Range": '"other"' })).toEqual([
      200,
      undefined,
      "0123456789",
    ]);
  });
});

describe("what is not there", () => {
  it("is said", async () => {
    expect((await get("/none")).status).toBe(404);
    expect((await get("/assets")).status).toBe(404);
    expect((await get("/assets/")).status).toBe(404);
    expect((await get("/disk.img", {}, "POST")).status).toBe(405);
  });

  it("does not become there by a clever path", async () => {
    for (const path of [
      "/../secret.txt",
      "/%2e%2e/secret.txt",
      "/..%2fsecret.txt",
      "/assets/../../secret.txt",
      "/../dist-other/secret.txt",
      "//../secret.txt",
      "/link.txt",
      "/disk.img/",
      "/disk.img%00.txt",
      "/%",
      "*",
    ]) {
      const { status, body } = await get(path);
      expect([400, 404], path).toContain(status);
      expect(body, path).not.toContain("secret");
    }
  });
});
