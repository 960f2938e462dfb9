import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { expect, test } from "./fixtures.ts";
import { Vm } from "./vm.ts";

/** Waits until the guest has an address from the relay's gateway; gives it. */
async function address(vm: Vm): Promise<string> {
  const show = "ip -4 addr show dev eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'";
  await expect.poll(() => vm.run(show), { timeout: 20_000 }).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  return vm.run(show);
}

test("two tabs on one LAN reach each other", async ({ context, site }) => {
  const url = `${site}?disk=none&lan=pair`;
  const one = await new Vm(await context.newPage()).boot(url);
  const two = await new Vm(await context.newPage()).boot(url);
  const [first, second] = [await address(one), await address(two)];
  expect(first).not.toBe(second);
  expect(await one.run(`ping -c 3 -W 5 ${second}`)).toContain(" 0% packet loss");
  expect(await two.run(`ping -c 3 -W 5 ${first}`)).toContain(" 0% packet loss");
});

/** Boots the page at `url`, and downloads that many bytes from this computer. */
async function download(vm: Vm, url: string, length: number): Promise<void> {
  const bytes = randomBytes(length);
  const server = createServer((_request, response) => response.end(bytes));
  const port = await listenOnLoopback(server);
  try {
    await vm.boot(url);
    await address(vm);
    const sum = await vm.run(`wget -q -O - http://10.0.2.2:${port}/file | sha256sum`, 60_000);
    expect(sum).toContain(createHash("sha256").update(bytes).digest("hex"));
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test("downloads 20 MB whole", async ({ vm, site }) => {
  await download(vm, `${site}?disk=none&lan=download`, 20 << 20);
});

test("works with a relay that knows plain frames alone", async ({ vm, site }) => {
  const protocols: string[] = [];
  const plain = new WebSocketServer({
    port: 0,
    host: "127.0.0.1",
    // As servers do that have never heard of subprotocols.
    handleProtocols: () => false,
  });
  plain.on("connection", (page, request) => {
    protocols.push(request.headers["sec-websocket-protocol"] ?? "");
    const lan = new WebSocket(`${site.replace("http", "ws")}lan/plain`);
    page.on("message", (data) => lan.readyState === lan.OPEN && lan.send(data));
    lan.on("message", (data) => page.send(data));
    page.on("close", () => lan.close());
    // A page that asked in vain for packets leaves before this is open.
    lan.on("error", () => {});
  });
  await new Promise((done) => plain.once("listening", done));
  try {
    const { port } = plain.address() as AddressInfo;
    await download(vm, `${site}?disk=none&relay=ws://127.0.0.1:${port}/`, 2 << 20);
    expect(protocols).toEqual(["packets.tabvisor", ""]);
  } finally {
    for (const client of plain.clients) client.terminate();
    plain.close();
  }
});

test("shows the guest that the link is down without a relay", async ({ vm, site }) => {
  await vm.boot(`${site}?disk=none&relay=ws://127.0.0.1:9/`);
  await expect(vm.page.locator(".message")).toContainText("no network: no relay answers");
  expect(await vm.run("ip link set eth0 up; sleep 1; cat /sys/class/net/eth0/carrier")).toBe("0");
});
