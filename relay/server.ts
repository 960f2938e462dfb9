/**
 * The relay's server: admits WebSockets to LANs, keeps them alive, and shuts down cleanly.
 *
 * README.md beside this file follows a packet through the relay.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { PACKET_HEADER, PACKET_PROTOCOL } from "../src/packet/header.ts";
import { type AdmissionRules, admit } from "./admission.ts";
import { systemClock } from "./clock.ts";
import { createTotals } from "./gateway/gateway.ts";
import { hostResolvers, parseResolver } from "./gateway/resolvers.ts";
import { GdbDoor } from "./gdb-door.ts";
import { LocalFabric, MAX_FRAME } from "./lan.ts";
import { type LanStats, Lans } from "./lans.ts";
import { WebSocketMember } from "./member.ts";
import { Policy } from "./policy.ts";

export const DEFAULT_PORT = 8086;
export const DEFAULT_HOST = "127.0.0.1";

/** A flooded frame is copied to every member, and so the work grows with the square of this. */
const MAX_MEMBERS_PER_LAN = 32;
/** Each LAN may hold a gateway and, for a while, what its members left. */
const MAX_LANS = 256;

/** Proxies cut connections that are silent for a minute. */
const ALIVE_CHECK_MS = 25_000;
const LINGER_CHECK_MS = 1000;
/** How long clients have to answer the closing handshake at a shutdown. */
const CLOSE_WAIT_MS = 500;
/** "Going away" (RFC 6455 7.4.1). */
const CLOSE_GOING_AWAY = 1001;

export interface RelayOptions {
  /** A server to share: only `/lan/<name>` is taken from it. Default: an own one. */
  readonly server?: Server;
  /** Of the own server; 0 is any free port. */
  readonly port?: number;
  readonly host?: string;
  /** Origins of pages that may connect, such as `https://vm.example.org`. */
  readonly origins?: readonly string[];
  /** Whether clients without an Origin, which are no browsers, are refused. */
  readonly requireOrigin?: boolean;
  /** What `?token=` must say. */
  readonly token?: string;
  /** Whether LANs have a gateway. Default: true. */
  readonly gateway?: boolean;
  /** Exceptions from the policy, each `ADDRESS[/PREFIX][:PORT[-PORT]]` or `host[:PORT]`. */
  readonly allow?: readonly string[];
  /** Name servers, each `ADDRESS[:PORT]`. Default: the host's. */
  readonly resolvers?: readonly string[];
  /** Port of 127.0.0.1 at which a page that connects to `/gdb` serves GDB; 0 is any. Default: none. */
  readonly gdbPort?: number;
  readonly maxLans?: number;
  readonly maxMembersPerLan?: number;
  /** What one member may send in a second. Default: no limit. */
  readonly maxBytesPerSecond?: number;
}

export interface Relay {
  /** Where clients connect: `ws://host:port/`. A shared server must be listening already. */
  readonly url: string;
  /** For GDB. */
  readonly gdbPort: number | undefined;
  stats(): LanStats[];
  /** Ends all connections, and the own server. A second call changes nothing. */
  close(): Promise<void>;
}

/**
 * Starts a relay.
 * @throws Error on an option that cannot be read, or when the port cannot be had.
 */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const lans = createLans(options);
  const server = options.server ?? createServer(refuseRequest);
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: PACKET_HEADER + MAX_FRAME,
    // A client of another kind gets the protocol that it names first, as it would without this.
    handleProtocols: (offered) => {
      const [first] = offered;
      return offered.has(PACKET_PROTOCOL) ? PACKET_PROTOCOL : first;
    },
    // Compression costs more time than a LAN's bytes are worth.
    perMessageDeflate: false,
  });
  const door = options.gdbPort === undefined ? undefined : new GdbDoor();
  const gdbPort = await door?.listen(options.gdbPort ?? 0);
  const upgrade = upgradeHandler(options, lans, webSockets, door);
  server.on("upgrade", upgrade);
  if (options.server === undefined) await listen(server, options);
  const ownUrl = options.server === undefined ? urlOf(server) : undefined;
  const stops = [
    systemClock.every(LINGER_CHECK_MS, () => lans.tick()),
    systemClock.every(ALIVE_CHECK_MS, () => {
      for (const member of lans.members) member.checkAlive();
    }),
  ];
  const close = async () => {
    server.off("upgrade", upgrade);
    for (const stop of stops) stop();
    await closeMembers(lans);
    lans.close();
    door?.close();
    webSockets.close();
    if (options.server === undefined) await closeServer(server);
  };
  let closed: Promise<void> | undefined;
  return {
    get url() {
      return ownUrl ?? urlOf(server);
    },
    gdbPort,
    stats: () => lans.stats(),
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

function createLans(options: RelayOptions): Lans {
  const clock = systemClock;
  const gateway = {
    clock,
    policy: new Policy(options.allow ?? []),
    resolvers: options.resolvers?.map(parseResolver) ?? hostResolvers(),
    totals: createTotals(),
  };
  return new Lans({
    clock,
    fabric: new LocalFabric(clock),
    gateway: options.gateway === false ? undefined : gateway,
    maxLans: options.maxLans ?? MAX_LANS,
    maxMembersPerLan: options.maxMembersPerLan ?? MAX_MEMBERS_PER_LAN,
  });
}

type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

function upgradeHandler(
  options: RelayOptions,
  lans: Lans,
  webSockets: WebSocketServer,
  door: GdbDoor | undefined,
): UpgradeHandler {
  const rules: AdmissionRules = {
    origins: options.origins ?? [],
    requireOrigin: options.requireOrigin ?? false,
    token: options.token,
    // On a shared server other paths belong to others, such as the page's hot reloading.
    anyPath: options.server === undefined,
    hasGdb: door !== undefined,
  };
  return (request, socket, head) => {
    const admission = admit(request, rules);
    if (admission.kind === "foreign") {
      // Nobody else would ever answer when this is the only listener.
      if (options.server?.listenerCount("upgrade") === 1) refuseUpgrade(socket, 404, "not found");
    } else if (admission.kind === "refused") {
      refuseUpgrade(socket, admission.status, admission.reason);
    } else if (admission.kind === "gdb") {
      if (door === undefined || door.isTaken) refuseUpgrade(socket, 503, "another page serves GDB");
      else webSockets.handleUpgrade(request, socket, head, (page) => door.attach(page));
    } else if (!lans.hasRoom(admission.lan)) {
      refuseUpgrade(socket, 503, "no room");
    } else {
      const { lan } = admission;
      webSockets.handleUpgrade(request, socket, head, (webSocket) =>
        addMember(options, lans, lan, webSocket, socket),
      );
    }
  };
}

function addMember(
  options: RelayOptions,
  lans: Lans,
  lan: string,
  webSocket: WebSocket,
  socket: Duplex,
): void {
  const { maxBytesPerSecond } = options;
  const member = lans.add(lan, (fabric) => {
    const memberOptions = { clock: systemClock, maxBytesPerSecond };
    return new WebSocketMember(webSocket, socket, fabric, lan, memberOptions);
  });
  webSocket.on("close", () => lans.remove(lan, member));
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  503: "Service Unavailable",
};

function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
  // The client may be gone already, which is no concern of anybody's.
  socket.on("error", () => {});
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_TEXT[status]}\r\nConnection: close\r\n` +
      `Content-Type: text/plain\r\nContent-Length: ${reason.length}\r\n\r\n${reason}`,
  );
}

const refuseRequest: Parameters<typeof createServer>[1] = (_request, response) => {
  response.writeHead(426, { "Content-Type": "text/plain", Upgrade: "websocket" });
  response.end("This is a relay of Ethernet frames over WebSockets.\n");
};

function listen(server: Server, options: RelayOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? DEFAULT_PORT, options.host ?? DEFAULT_HOST, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `ws://${family === "IPv6" ? `[${address}]` : address}:${port}/`;
}

async function closeMembers(lans: Lans): Promise<void> {
  for (const member of lans.members) member.close(CLOSE_GOING_AWAY);
  const deadlineMs = systemClock.now() + CLOSE_WAIT_MS;
  while (lans.members.length > 0 && systemClock.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const member of lans.members) member.terminate();
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
