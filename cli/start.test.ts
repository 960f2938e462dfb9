import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { type Site, startMain, startSite } from "./start.ts";

let root: string;
let site: Site;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "start-"));
  await writeFile(join(root, "index.html"), "page");
  site = await startSite(root, { port: 0, gateway: false });
});

afterAll(async () => {
  await site.close();
  await rm(root, { recursive: true });
});

function connect(path: string, options = {}): Promise<WebSocket> {
  const socket = new WebSocket(new URL(path, site.url.replace("http", "ws")), options);
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(socket));
    socket.on("error", reject);
  });
}

it("serves the page on the loopback address", async () => {
  expect(site.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(await (await fetch(site.url)).text()).toBe("page");
});

it("joins machines that meet on the relay of the same port", async () => {
  const a = await connect("lan/test");
  const b = await connect("lan/test");
  const got = new Promise<Buffer>((resolve) => b.on("message", resolve));
  const broadcast = Buffer.concat([Buffer.alloc(6, 0xff), Buffer.alloc(54, 2)]);
  a.send(broadcast);
  expect((await got).equals(broadcast)).toBe(true);
  a.terminate();
  b.terminate();
});

it("turns away other WebSockets and foreign pages", async () => {
  await expect(connect("other")).rejects.toThrow();
  await expect(connect("lan/test", { origin: "https://evil.example" })).rejects.toThrow(/403/);
});

it("explains itself, and refuses options that it does not know", async () => {
  const said: string[] = [];
  const write = (text: unknown) => said.push(String(text)) > 0;
  vi.spyOn(process.stdout, "write").mockImplementation(write);
  vi.spyOn(process.stderr, "write").mockImplementation(write);
  const codes = [await startMain(root, ["--help"]), await startMain(root, ["--what"])];
  vi.restoreAllMocks();
  expect(codes).toEqual([0, 1]);
  expect(said).toEqual([
    expect.stringContaining("npm start -- [options]"),
    expect.stringContaining("--what"),
  ]);
});
