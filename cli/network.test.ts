/** The embedded Linux and its network card, over a relay of the same process. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { type Relay, startRelay } from "../relay/server.ts";
import { NetGuest } from "./testing/net-guest.ts";

const hasGuest = existsSync(new URL("../public/guest/Image.gz", import.meta.url));
const LIMIT_MS = 120_000;

const cleanups: (() => unknown)[] = [];
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

/** Of the 16 MiB that `net-load` sends. */
function patternSum(): string {
  const block = Uint8Array.from({ length: 1 << 18 }, (_, i) => i * 7 + (i >> 8));
  const hash = createHash("md5");
  for (let i = 0; i < 64; i++) hash.update(block);
  return hash.digest("hex");
}

/** A TCP server on loopback, and its port. */
async function serve(handle: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    handle(socket);
  });
  const port = await listenOnLoopback(server);
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return port;
}

describe.skipIf(!hasGuest)("Linux on a LAN (skipped until the guest is built)", () => {
  const fromHost = randomBytes(8_000_000);
  let received = createHash("md5");
  let receivedBytes = 0;
  let source: number;
  let sink: number;
  let relay: Relay;
  let guest: NetGuest;
  const counters = () => guest.card.device.counters();

  beforeAll(async () => {
    source = await serve((socket) => socket.end(fromHost));
    sink = await serve((socket) => {
      received = createHash("md5");
      receivedBytes = 0;
      socket.on("data", (bytes) => {
        received.update(bytes);
        receivedBytes += bytes.length;
      });
      socket.on("end", () => socket.end());
    });
    relay = await startRelay({ port: 0, allow: [`host:${source}`, `host:${sink}`] });
    cleanups.push(() => relay.close());
    guest = await NetGuest.boot(`${relay.url}lan/test`);
    cleanups.push(() => guest.close());
    await guest.compile("net-load");
    await guest.compile("net-facts");
  }, LIMIT_MS);

  afterAll(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  it("has an address, a route and offloads", { timeout: LIMIT_MS }, async () => {
    expect(await guest.command("ip -4 addr show eth0; ip route")).toMatch(
      /inet 10\.0\.2\.15\/24 [\s\S]*default via 10\.0\.2\.2 dev eth0/,
    );
    expect(await guest.command("ping -c 2 10.0.2.2")).toContain("2 packets received");
    expect(await guest.command("/tmp/net-facts")).toBe(
      "tx-checksum 1 rx-checksum 1 sg 1 tso 1 gso 1\nqueues 1 of 2\n",
    );
    // CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, MRG_RXBUF and MQ, as the driver has accepted them.
    const features = await guest.command("cat /sys/class/net/eth0/device/features");
    for (const feature of [0, 1, 7, 11, 15, 22]) expect(features[feature]).toBe("1");
  });

  it("receives what the host sent, in large segments", { timeout: LIMIT_MS }, async () => {
    const before = counters();
    const sum = await guest.command(`nc 10.0.2.2 ${source} </dev/null | md5sum`);
    expect(sum).toContain(md5(fromHost));
    const frames = counters().received - before.received;
    expect(counters().receivedLarge).toBeGreaterThan(before.receivedLarge);
    // A frame for each segment would be 5480.
    expect(frames).toBeLessThan(3000);
  });

  it("sends to the host what it has, in large segments", { timeout: LIMIT_MS }, async () => {
    const before = counters();
    await guest.command(
      `dd if=/dev/urandom of=/tmp/data bs=64k count=32; nc 10.0.2.2 ${sink} </tmp/data`,
    );
    expect(await guest.command("md5sum </tmp/data")).toContain(received.copy().digest("hex"));
    expect(receivedBytes).toBe(32 * 65_536);
    expect(await guest.command(`/tmp/net-load send 10.0.2.2 ${sink} 16777216`)).toMatch(
      /^16777216 bytes/,
    );
    expect(receivedBytes).toBe(16_777_216);
    expect(received.copy().digest("hex")).toBe(patternSum());
    expect(counters().sentLarge - before.sentLarge).toBeGreaterThan(100);
    expect(counters().sendDropped).toBe(0);
  });

  it("uses as many queues as it is told", { timeout: LIMIT_MS }, async () => {
    expect(await guest.command("/tmp/net-facts 2; ls /sys/class/net/eth0/queues")).toMatch(
      /set 0\n[\s\S]*rx-0 +rx-1 +tx-0 +tx-1/,
    );
    expect(counters().queuePairs).toBe(2);
    expect(await guest.command("ping -c 2 10.0.2.2")).toContain("2 packets received");
    const sum = await guest.command(`nc 10.0.2.2 ${source} </dev/null | md5sum`);
    expect(sum).toContain(md5(fromHost));
    expect(await guest.command("/tmp/net-facts 1")).toContain("set 0");
    expect(counters().queuePairs).toBe(1);
  });

  it("takes another hardware address", { timeout: LIMIT_MS }, async () => {
    await guest.command("ip link set eth0 address 02:11:22:33:44:55");
    expect(await guest.command("cat /sys/class/net/eth0/address")).toBe("02:11:22:33:44:55\n");
    const mac = guest.card.device.save().mac;
    expect(mac).toEqual(Uint8Array.of(2, 0x11, 0x22, 0x33, 0x44, 0x55));
    expect(await guest.command("ping -c 2 10.0.2.2")).toContain("2 packets received");
  });

  it("sees its cable cut, and goes on with the next relay", { timeout: LIMIT_MS }, async () => {
    const port = Number(new URL(relay.url).port);
    await relay.close();
    await guest.command("while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done");
    relay = await startRelay({ port, allow: [`host:${source}`] });
    await guest.command("while [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 20000; done");
    const { controls } = counters();
    expect(await guest.command("ping -c 4 -W 5 10.0.2.2")).toContain(" packets received");
    // It has announced itself to the new relay, and said so.
    expect(counters().controls).toBeGreaterThan(controls);
    const sum = await guest.command(`nc 10.0.2.2 ${source} </dev/null | md5sum`);
    expect(sum).toContain(md5(fromHost));
  });

  it("talks to its neighbour, whose packets come as they are", { timeout: LIMIT_MS }, async () => {
    const other = await NetGuest.boot(`${relay.url}lan/test`);
    cleanups.push(() => other.close());
    const show = "ip -4 addr show eth0 | sed -n 's/.*inet \\([0-9.]*\\).*/\\1/p'";
    const address = (await other.command(show)).trim();
    expect(address).not.toBe("10.0.2.15");
    expect(await guest.command(`ping -c 2 ${address}`)).toContain("2 packets received");
    other.type("nc -l -p 5000 </dev/null | md5sum >/tmp/sum &\n");
    await other.command("true");
    const before = other.card.device.counters().receivedLarge;
    await guest.command(`/tmp/net-load send ${address} 5000 16777216`);
    const sum = await other.command("wait; cat /tmp/sum");
    expect(sum).toContain(patternSum());
    expect(other.card.device.counters().receivedLarge).toBeGreaterThan(before + 50);

    // IPv6 by the addresses that the two have given themselves.
    const link = "ip -6 addr show eth0 | sed -n 's/.*inet6 \\(fe80[0-9a-f:]*\\).*/\\1/p'";
    const address6 = (await other.command(link)).trim();
    expect(await guest.command(`ping6 -c 2 -I eth0 ${address6}`)).toContain("2 packets received");
  });
});
