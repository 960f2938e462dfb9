import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import { afterEach, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { systemClock } from "./clock.ts";
import { LocalFabric } from "./lan.ts";
import { listenOnLoopback } from "./loopback-port.ts";
import { WebSocketMember } from "./member.ts";

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A member and its client, without a relay between them. */
async function setUp() {
  const server = createServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const fabric = new LocalFabric(systemClock);
  const joined = new Promise<WebSocketMember>((resolve) => {
    server.on("upgrade", (request, socket: Duplex, head) => {
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const options = { clock: systemClock, maxBytesPerSecond: undefined };
        resolve(new WebSocketMember(webSocket, socket, fabric, "lan", options));
      });
    });
  });
  const port = await listenOnLoopback(server);
  const client = new WebSocket(`ws://127.0.0.1:${port}/`);
  cleanups.push(
    () => server.close(),
    () => client.terminate(),
  );
  await new Promise((resolve) => client.once("open", resolve));
  return { member: await joined, client, fabric };
}

it("stays while its client answers", async () => {
  const { member, client, fabric } = await setUp();
  for (let i = 0; i < 3; i += 1) {
    const asked = new Promise((resolve) => client.once("ping", resolve));
    member.checkAlive();
    await asked;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(fabric.names).toEqual(["lan"]);
});

it("is dropped when its client does not answer", async () => {
  const { member, client, fabric } = await setUp();
  client.pause();
  member.checkAlive();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(fabric.names).toEqual(["lan"]);
  member.checkAlive();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(fabric.names).toEqual([]);
});
