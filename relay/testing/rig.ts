/** What tests of the gateway set up: a LAN with a gateway, a guest, and servers on loopback. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import { type Clock, systemClock } from "../clock.ts";
import { createTotals, Gateway, type SharedTotals } from "../gateway/gateway.ts";
import type { Resolver } from "../gateway/resolvers.ts";
import { LocalFabric } from "../lan.ts";
import { listenOnLoopback } from "../loopback-port.ts";
import { Policy } from "../policy.ts";
import { fabricLink, type Link, TestGuest } from "./guest.ts";

const LOOPBACK_TEXT = "127.0.0.1";

export interface RigOptions {
  readonly allow?: readonly string[];
  readonly resolvers?: readonly Resolver[];
  readonly clock?: Clock;
  readonly totals?: SharedTotals;
  readonly wrap?: (link: Link) => Link;
}

export class Rig {
  readonly fabric: LocalFabric;
  readonly gateway: Gateway;
  readonly guest: TestGuest;
  readonly #cleanups: (() => void)[] = [];

  constructor(options: RigOptions = {}) {
    const clock = options.clock ?? systemClock;
    this.fabric = new LocalFabric(clock);
    this.gateway = new Gateway(this.fabric, "lan", {
      clock,
      policy: new Policy(options.allow ?? []),
      resolvers: options.resolvers ?? [],
      totals: options.totals ?? createTotals(),
    });
    const link = fabricLink(this.fabric, "lan");
    this.guest = new TestGuest((options.wrap ?? ((plain) => plain))(link));
    this.onClose(() => this.gateway.close());
  }

  onClose(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  close(): void {
    for (const cleanup of this.#cleanups.splice(0).reverse()) cleanup();
  }
}

export interface TestServer {
  readonly port: number;
  close(): void;
}

/** A TCP server on loopback; sockets stay half-open until `handle` ends them. */
export async function tcpServer(handle: (socket: Socket) => void): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    handle(socket);
  });
  const port = await listenOnLoopback(server);
  return {
    port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A UDP server on loopback that answers with what `handle` makes of a datagram. */
export async function udpServer(
  handle: (payload: Buffer) => Uint8Array | undefined,
): Promise<TestServer> {
  const socket: UdpSocket = createSocket("udp4");
  socket.on("message", (payload, from) => {
    const answer = handle(payload);
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, LOOPBACK_TEXT, resolve));
  return { port: socket.address().port, close: () => socket.close() };
}

/** A port on loopback where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = await tcpServer(() => {});
  server.close();
  return server.port;
}
