import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../clock.ts";
import { icmpOf, tcpOf } from "../testing/guest.ts";
import { lossyLink } from "../testing/lossy-link.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { closedPort, Rig, type RigOptions, tcpServer } from "../testing/rig.ts";
import { type ClientOptions, TestTcpClient } from "../testing/tcp-client.ts";
import { IcmpType, Unreachable } from "../wire/icmp.ts";
import { parseAddress } from "../wire/ipv4.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { createTotals, LAN_LIMITS, MEMBER_LIMITS, RELAY_LIMITS, TICK_MS } from "./gateway.ts";
import { DNS_ADDRESS, GATEWAY_ADDRESS } from "./network.ts";
import { Total } from "./quota.ts";
import { TIME_WAIT_MS } from "./tcp/connection.ts";
import { CONNECT_TIMEOUT_MS, DRAIN_TIMEOUT_MS, MAX_TIME_WAIT } from "./tcp-nat.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function setUp(handle: (socket: Socket) => void, options: RigOptions = {}) {
  const server = await tcpServer(handle);
  const rig = new Rig({ allow: [`host:${server.port}`], ...options });
  cleanups.push(() => server.close());
  cleanups.push(() => rig.close());
  const client = (more: ClientOptions = {}, port = server.port, address = GATEWAY_ADDRESS) => {
    const made = new TestTcpClient(rig.guest, address, port, more);
    cleanups.push(() => made.dispose());
    return made;
  };
  return { rig, server, client };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const CLEAN = { loss: 0, reordering: 0, duplication: 0 };
const BAD = { loss: 0.01, reordering: 0.02, duplication: 0.01 };

describe("a download", () => {
  it.each([
    { name: "a clean", size: 20_000_000, trouble: CLEAN },
    { name: "a bad", size: 3_000_000, trouble: BAD },
  ])("of $size bytes arrives over $name LAN", async ({ size, trouble }) => {
    const bytes = randomBytes(size);
    const { rig, client } = await setUp((socket) => socket.end(bytes), {
      wrap: (link) => lossyLink(link, { ...trouble, seed: 7 }),
    });
    const hash = createHash("sha256");
    const download = client({ onData: (chunk) => hash.update(chunk) });
    await download.connect();
    await download.until(() => download.finished);
    expect(download.receivedBytes).toBe(size);
    expect(hash.digest("hex")).toBe(sha256(bytes));
    download.end();
    await download.until(() => rig.gateway.stats.openTcp === 0);
    expect(rig.gateway.stats.faults).toBe(0);
  });

  it("waits for a guest that does not read, without keeping more than its buffers", async () => {
    let sentBytes = 0;
    const { client } = await setUp((socket) => {
      const chunk = Buffer.alloc(65_536);
      const more = () => {
        while (!socket.destroyed && socket.write(chunk)) sentBytes += chunk.length;
      };
      socket.on("drain", more);
      more();
    });
    const slow = client();
    slow.window = 50_000;
    await slow.connect();
    await slow.until(() => slow.receivedBytes >= 50_000);
    slow.updateWindow(0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stalledAt = sentBytes;
    await new Promise((resolve) => setTimeout(resolve, 500));
    // The server's own system buffers and the gateway's are full, and nothing moves any more.
    expect(sentBytes).toBe(stalledAt);
    expect(stalledAt).toBeLessThan(16 * 1024 * 1024);
    const before = slow.receivedBytes;
    slow.updateWindow(1024 * 1024);
    await slow.until(() => slow.receivedBytes > before + 2_000_000);
    slow.abort();
  });
});

describe("an upload", () => {
  it.each([
    { name: "a clean", size: 10_000_000, trouble: CLEAN },
    { name: "a bad", size: 1_000_000, trouble: BAD },
  ])("of $size bytes arrives over $name LAN", async ({ size, trouble }) => {
    const bytes = randomBytes(size);
    const hash = createHash("sha256");
    const { client } = await setUp(
      (socket) => {
        socket.on("data", (chunk) => hash.update(chunk));
        socket.on("end", () => socket.end(hash.digest("hex")));
      },
      { wrap: (link) => lossyLink(link, { ...trouble, seed: 3 }) },
    );
    let answer = "";
    const upload = client({
      onData: (chunk) => {
        answer += Buffer.from(chunk).toString();
      },
    });
    await upload.connect();
    await upload.send(bytes);
    upload.end();
    await upload.until(() => upload.finished);
    expect(answer).toBe(sha256(bytes));
  });

  it("to a host that does not read stops at the buffers, and goes on with it", async () => {
    let host: Socket | undefined;
    let readBytes = 0;
    const { client } = await setUp((socket) => {
      host = socket;
      socket.pause();
      socket.on("data", (chunk) => {
        readBytes += chunk.length;
      });
      socket.pause();
    });
    const upload = client();
    await upload.connect();
    const size = 24_000_000;
    const sent = upload.send(new Uint8Array(size));
    await upload.until(() => upload.peerWindow === 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(upload.peerWindow).toBe(0);
    host?.resume();
    await sent;
    await upload.until(() => readBytes === size);
  });
});

describe("connections", () => {
  it("carry both directions, and each ends by itself", async () => {
    const { rig, client } = await setUp((socket) => {
      socket.on("data", (chunk) => socket.write(Buffer.concat([Buffer.from("got "), chunk])));
      socket.on("end", () => socket.end("bye"));
    });
    let heard = "";
    const talk = client({
      onData: (chunk) => {
        heard += Buffer.from(chunk).toString();
      },
    });
    await talk.connect();
    await talk.send(Buffer.from("one"));
    await talk.until(() => heard === "got one");
    talk.end();
    await talk.until(() => talk.finished);
    expect(heard).toBe("got onebye");
    await talk.until(() => rig.gateway.stats.openTcp === 0);
  });

  it("can be opened again from the same port at once", async () => {
    const { rig, client } = await setUp((socket) => {
      socket.on("data", () => {});
      socket.end("x");
    });
    for (let i = 0; i < 3; i += 1) {
      const again = client({ port: 40_000, initialSequence: 1000 + i * 100_000 });
      await again.connect();
      await again.until(() => again.finished);
      again.end();
      await again.send(new Uint8Array(0));
      await new Promise((resolve) => setTimeout(resolve, 50));
      again.dispose();
    }
    expect(rig.gateway.stats.tcpConnections).toBe(3);
  });
});

describe("connections of other kinds", () => {
  it("that the guest resets are reset for the host", async () => {
    let code: string | undefined;
    const { client, rig } = await setUp((socket) => {
      socket.on("error", (error: NodeJS.ErrnoException) => {
        code = error.code;
      });
      socket.resume();
    });
    const rude = client();
    await rude.connect();
    rude.abort();
    await rude.until(() => code === "ECONNRESET" && rig.gateway.stats.openTcp === 0);
  });

  it("that the host resets are reset for the guest", async () => {
    const { client, rig } = await setUp((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    const cut = client();
    await cut.connect();
    await cut.send(Uint8Array.of(1));
    await cut.until(() => cut.reset);
    expect(rig.gateway.stats.openTcp).toBe(0);
  });

  it("reach a resolver over TCP at the name server's address, and nothing else there", async () => {
    const resolver = await tcpServer((socket) => socket.end("dns"));
    cleanups.push(() => resolver.close());
    const { client } = await setUp(() => {}, {
      resolvers: [{ address: "127.0.0.1", port: resolver.port }],
    });
    const dns = client({}, 53, DNS_ADDRESS);
    await dns.connect();
    await dns.until(() => dns.receivedBytes === 3);
    await expect(client({ port: 50_001 }, 80, DNS_ADDRESS).connect()).rejects.toThrow("refused");
  });
});

describe("refusals", () => {
  it("of the host are resets", async () => {
    const port = await closedPort();
    const { client, rig } = await setUp(() => {}, { allow: [`host:${port}`] });
    await expect(client({}, port).connect()).rejects.toThrow("refused");
    expect(rig.gateway.stats.openTcp).toBe(0);
    expect(rig.guest.frames.filter(icmpOf)).toEqual([]);
  });

  it.each(["10.0.2.2", "192.168.1.1", "169.254.169.254", "127.0.0.1", "10.0.2.77"])(
    "of the policy tell why, for %s",
    async (address) => {
      const { client, rig } = await setUp(() => {}, { allow: [] });
      const refused = client({}, 80, parseAddress(address));
      await expect(refused.connect()).rejects.toThrow("refused");
      const error = await rig.guest.expect(icmpOf);
      expect(error).toMatchObject({ type: IcmpType.unreachable, code: Unreachable.prohibited });
      expect(rig.gateway.stats.refused).toBeGreaterThan(0);
    },
  );

  it("are sent for segments of no connection, but never for a reset", async () => {
    const { rig, server, client } = await setUp(() => {});
    const stray = client({ port: 50_009 });
    stray.dispose();
    stray.sendSegment(TcpFlag.rst, 5);
    stray.sendSegment(TcpFlag.ack, 5);
    const reset = await rig.guest.expect(tcpOf);
    expect(reset).toMatchObject({ flags: TcpFlag.rst, sequence: 0, sourcePort: server.port });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(rig.guest.frames.filter(tcpOf)).toEqual([]);
  });
});

describe("limits of time", () => {
  it("hold for the time that a connect may take", async () => {
    const clock = new ManualClock();
    const { client, rig } = await setUp(() => {}, { clock });
    const slow = client();
    const refused = expect(slow.connect()).rejects.toThrow("refused");
    // The host has not answered yet, for it could not within this turn of the event loop.
    clock.advance(CONNECT_TIMEOUT_MS - TICK_MS);
    expect(rig.gateway.stats.openTcp).toBe(1);
    clock.advance(TICK_MS);
    await refused;
    const error = await rig.guest.expect(icmpOf);
    expect(error).toMatchObject({ type: IcmpType.unreachable, code: Unreachable.host });
    expect(rig.gateway.stats.openTcp).toBe(0);
  });

  it("hold for the time that a closed connection may write to its host", async () => {
    const clock = new ManualClock();
    const totals = createTotals();
    const { client, rig } = await setUp(
      (socket) => {
        socket.pause();
        socket.end();
      },
      { clock, totals },
    );
    const last = client();
    const ticking = setInterval(() => clock.advance(1), 1);
    cleanups.push(() => clearInterval(ticking));
    await last.connect();
    // Once the system's buffers are full, the socket's own begin to fill.
    while (last.peerWindow > 400_000) await last.send(new Uint8Array(65_536));
    last.end();
    await last.until(() => last.finished);
    clock.advance(TIME_WAIT_MS);
    await last.until(() => rig.gateway.stats.openTcp === 0);
    clearInterval(ticking);
    expect(totals.tcp.used).toBe(1);
    clock.advance(DRAIN_TIMEOUT_MS);
    await last.until(() => totals.tcp.used === 0);
  });

  it("hold for the closed connections that are remembered", async () => {
    // Time stands still, so that none of them is forgotten because of its age.
    const clock = { ...systemClock, now: () => 0 };
    const { client, rig } = await setUp(
      (socket) => {
        socket.resume();
        socket.end();
      },
      { clock },
    );
    for (let i = 0; i < MAX_TIME_WAIT + 20; i += 1) {
      const brief = client({ port: 1000 + i });
      await brief.connect();
      await brief.until(() => brief.finished);
      brief.end();
      brief.dispose();
    }
    expect(rig.gateway.stats.tcpConnections).toBe(MAX_TIME_WAIT + 20);
    await vi.waitFor(() => expect(rig.gateway.stats.openTcp).toBe(MAX_TIME_WAIT));
    expect(rig.gateway.stats.limited).toBe(0);
  });
});

describe("limits of number", () => {
  it("hold for one member", async () => {
    const { rig, client } = await setUp(() => {});
    const clients = Array.from({ length: MEMBER_LIMITS.tcp + 1 }, (_, i) =>
      client({ port: 20_000 + i }),
    );
    const results = await Promise.allSettled(clients.map((one) => one.connect()));
    expect(results.filter((r) => r.status === "rejected").length).toBe(1);
    expect(rig.gateway.stats.openTcp).toBe(MEMBER_LIMITS.tcp);
    expect(rig.gateway.stats.limited).toBeGreaterThan(0);
    clients[0].abort();
    await clients[1].until(() => rig.gateway.stats.openTcp < MEMBER_LIMITS.tcp);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client({ port: 30_000 }).connect();
  });

  it("hold for all gateways of a relay", async () => {
    expect(createTotals().tcp.used).toBe(0);
    expect(RELAY_LIMITS.tcp).toBeGreaterThan(LAN_LIMITS.tcp);
    expect(LAN_LIMITS.tcp).toBeGreaterThan(MEMBER_LIMITS.tcp);
    const totals = { ...createTotals(), tcp: new Total(2) };
    const first = await setUp(() => {}, { totals });
    const second = await setUp(() => {}, { totals });
    await first.client().connect();
    await second.client().connect();
    await expect(second.client({ port: 1 }).connect()).rejects.toThrow("refused");
    expect(totals.tcp.used).toBe(2);
    first.rig.gateway.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(totals.tcp.used).toBe(1);
  });
});
