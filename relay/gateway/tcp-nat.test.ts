import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../clock.ts";
import { LocalFabric } from "../lan.ts";
import { Policy } from "../policy.ts";
import { fabricLink, type Link, TestGuest } from "../testing/guest.ts";
import { lossyLink } from "../testing/lossy-link.ts";
import { TestTcpClient } from "../testing/tcp-client.ts";
import { createTotals, Gateway } from "./gateway.ts";
import { GATEWAY_ADDRESS } from "./network.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function setUp(port: number, wrap: (link: Link) => Link = (link) => link) {
  const fabric = new LocalFabric(systemClock);
  const gateway = new Gateway(fabric, "lan", {
    clock: systemClock,
    policy: new Policy([`host:${port}`]),
    resolvers: [],
    totals: createTotals(),
  });
  const guest = new TestGuest(wrap(fabricLink(fabric, "lan")));
  cleanups.push(() => gateway.close());
  return { gateway, guest };
}

async function serve(handle: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { server, port: (server.address() as { port: number }).port };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("download", () => {
  it.each([
    { name: "clean", size: 20_000_000, loss: 0, reordering: 0, duplication: 0 },
    { name: "lossy", size: 4_000_000, loss: 0.01, reordering: 0.02, duplication: 0.01 },
  ])("brings $size bytes over a $name LAN", async ({ size, ...trouble }) => {
    const bytes = randomBytes(size);
    const { port } = await serve((socket) => socket.end(bytes));
    const { guest, gateway } = setUp(port, (link) => lossyLink(link, { ...trouble, seed: 7 }));
    const hash = createHash("sha256");
    const client = new TestTcpClient(guest, GATEWAY_ADDRESS, port, {
      onData: (chunk) => hash.update(chunk),
    });
    cleanups.push(() => client.dispose());
    const startMs = performance.now();
    await client.connect();
    await client.until(() => client.finished);
    const seconds = (performance.now() - startMs) / 1000;
    console.log(`${(size / 1e6 / seconds).toFixed(0)} MB/s`);
    expect(client.receivedBytes).toBe(size);
    expect(hash.digest("hex")).toBe(sha256(bytes));
    client.end();
    await client.until(() => gateway.stats.openTcp === 0);
  });
});
