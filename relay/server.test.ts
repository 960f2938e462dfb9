/** The relay as its clients see it: over real WebSockets. */
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { readU32 } from "../src/packet/bytes.ts";
import { PACKET_HEADER, PACKET_PROTOCOL } from "../src/packet/header.ts";
import { tcpPacket } from "../src/packet/testing/packets.ts";
import { GATEWAY_ADDRESS, GATEWAY_MAC } from "./gateway/network.ts";
import { MAX_BACKLOG_BYTES, MAX_FRAME } from "./lan.ts";
import { listenOnLoopback } from "./loopback-port.ts";
import { MIN_FRAME_CHARGE } from "./member.ts";
import { type Relay, type RelayOptions, startRelay } from "./server.ts";
import { GUEST_MAC, icmpOf, TestGuest, tcpOf, udpOf, webSocketLink } from "./testing/guest.ts";
import { arpRequest, dhcpMessage, optionOf } from "./testing/messages.ts";
import { tcpServer, udpServer } from "./testing/rig.ts";
import { TestTcpClient } from "./testing/tcp-client.ts";
import { ArpOperation, parseArp } from "./wire/arp.ts";
import { DhcpOption, DhcpType } from "./wire/dhcp.ts";
import { BROADCAST_MAC, ETHERNET_HEADER } from "./wire/ethernet.ts";
import { buildIcmp, IcmpType } from "./wire/icmp.ts";
import { formatAddress, IpProtocol, parseAddress } from "./wire/ipv4.ts";

const A = 0x5254_0000_000a;
const B = 0x5254_0000_000b;
const C = 0x5254_0000_000c;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: RelayOptions = {}): Promise<Relay> {
  const relay = await startRelay({ port: 0, resolvers: [], ...options });
  cleanups.push(() => relay.close());
  return relay;
}

async function join(relay: Relay, path = "lan/test", mac = GUEST_MAC, origin?: string) {
  const link = await webSocketLink(relay.url + path, origin === undefined ? {} : { origin });
  const guest = new TestGuest(link, mac);
  cleanups.push(() => guest.close());
  return Object.assign(guest, { socket: link.socket });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i += 1) await pause(10);
  expect(condition()).toBe(true);
}

describe("a LAN", () => {
  it("switches frames between members by their addresses", async () => {
    const relay = await start({ gateway: false });
    const a = await join(relay, "lan/x", A);
    const b = await join(relay, "lan/x", B);
    const c = await join(relay, "lan/x");
    const stranger = await join(relay, "lan/y");
    const any = (frame: Uint8Array) => frame;
    a.sendEthernet(B, 0x88b5, Uint8Array.of(1));
    expect([...(await b.expect(any)).subarray(14)]).toEqual([1]);
    expect([...(await c.expect(any)).subarray(14)]).toEqual([1]);
    b.sendEthernet(A, 0x88b5, Uint8Array.of(2));
    expect([...(await a.expect(any)).subarray(14)]).toEqual([2]);
    a.sendEthernet(B, 0x88b5, Uint8Array.of(3));
    expect([...(await b.expect(any)).subarray(14)]).toEqual([3]);
    a.sendEthernet(BROADCAST_MAC, 0x88b5, Uint8Array.of(4));
    expect([...(await c.expect(any)).subarray(14)]).toEqual([4]);
    expect(stranger.frames).toEqual([]);
  });

  it("takes clients that name none, and their text messages and pings", async () => {
    const relay = await start();
    const a = await join(relay, "", A);
    const b = await join(relay, "any/path?x", B);
    a.socket.send("ping:123");
    a.socket.ping();
    await new Promise((resolve) => a.socket.once("pong", resolve));
    a.sendEthernet(BROADCAST_MAC, 0x88b5, Uint8Array.of(9));
    expect((await b.expect((frame) => frame)).length).toBe(ETHERNET_HEADER + 1);
    expect(relay.stats().map((lan) => lan.name)).toEqual(["default"]);
  });

  it("takes frames up to the limit, and ends a member that sends a longer one", async () => {
    const relay = await start({ gateway: false });
    const a = await join(relay, "lan/x", A);
    const b = await join(relay, "lan/x", B);
    a.sendFrame(new Uint8Array(13));
    a.sendEthernet(B, 0x88b5, new Uint8Array(MAX_FRAME - ETHERNET_HEADER));
    expect((await b.expect((frame) => frame)).length).toBe(MAX_FRAME);
    expect(relay.stats()[0].members[0].refusedFrames).toBe(1);
    a.sendFrame(new Uint8Array(PACKET_HEADER + MAX_FRAME + 1));
    const code = await new Promise((resolve) => a.socket.once("close", resolve));
    expect(code).toBe(1009);
  });
});

describe("members that take packets", () => {
  const packetLink = async (relay: Relay, first = PACKET_PROTOCOL) => {
    const socket = new WebSocket(`${relay.url}lan/x`, [first, "other"]);
    cleanups.push(() => socket.terminate());
    const messages: Buffer[] = [];
    socket.on("message", (data, isBinary) => isBinary && messages.push(data as Buffer));
    await new Promise((resolve) => socket.once("open", resolve));
    const next = async () => {
      while (messages.length === 0) await new Promise((resolve) => socket.once("message", resolve));
      return messages.shift()!;
    };
    return { socket, messages, next };
  };

  it("get them as they are, and others the frames", async () => {
    const relay = await start({ gateway: false });
    const [a, b] = [await packetLink(relay), await packetLink(relay)];
    const c = await join(relay, "lan/x", C);
    const packet = tcpPacket(3000, 1460, { to: 0xff });
    a.socket.send(packet);
    expect(new Uint8Array(await b.next())).toEqual(packet);
    const parts = [1460, 1460, 80];
    for (const length of parts) {
      expect((await c.expect(tcpOf)).payload.length).toBe(length);
    }
    c.sendEthernet(BROADCAST_MAC, 0x88b5, Uint8Array.of(7));
    const plain = await b.next();
    expect([...plain.subarray(0, PACKET_HEADER)]).toEqual(new Array(PACKET_HEADER).fill(0));
    expect([...plain.subarray(PACKET_HEADER + 12)]).toEqual([0x88, 0xb5, 7]);
    // A header that lies reaches nobody.
    packet[4] = packet[5] = 0;
    a.socket.send(packet);
    a.socket.send(new Uint8Array(5));
    packet.fill(0, 0, PACKET_HEADER);
    a.socket.send(packet);
    expect((await b.next()).length).toBe(packet.length);
    expect(relay.stats()[0].members[0].refusedFrames).toBe(2);
  });

  it("ask for that by subprotocol, and other protocols are as good as none", async () => {
    const relay = await start({ gateway: false });
    expect((await packetLink(relay)).socket.protocol).toBe(PACKET_PROTOCOL);
    expect((await packetLink(relay, "binary")).socket.protocol).toBe("binary");
  });
});

describe("the gateway", () => {
  it("gives an address, and answers for its own", async () => {
    const guest = await join(await start());
    const send = (type: number, wanted?: number) =>
      guest.sendUdp(parseAddress("255.255.255.255")!, 67, dhcpMessage(guest.mac, type, wanted), 68);
    send(DhcpType.discover);
    const offer = (await guest.expect(udpOf)).payload;
    const address = readU32(offer, 16);
    expect(formatAddress(address)).toBe("10.0.2.15");
    expect(optionOf(offer, DhcpOption.messageType)).toEqual([DhcpType.offer]);
    send(DhcpType.request, address);
    const ack = (await guest.expect(udpOf)).payload;
    expect(optionOf(ack, DhcpOption.messageType)).toEqual([DhcpType.ack]);
    expect(optionOf(ack, DhcpOption.subnetMask)).toEqual([255, 255, 255, 0]);
    expect(optionOf(ack, DhcpOption.router)).toEqual([10, 0, 2, 2]);
    expect(optionOf(ack, DhcpOption.dnsServer)).toEqual([10, 0, 2, 3]);
    expect(optionOf(ack, DhcpOption.interfaceMtu)).toEqual([1500 >> 8, 1500 & 255]);
    expect(optionOf(ack, DhcpOption.leaseTime)?.length).toBe(4);

    guest.sendFrame(arpRequest(guest, GATEWAY_ADDRESS));
    const arp = await guest.expect((frame) => parseArp(frame, ETHERNET_HEADER));
    expect(arp).toMatchObject({ operation: ArpOperation.reply, senderMac: GATEWAY_MAC });

    const echo = { type: IcmpType.echoRequest, code: 0, identifier: 1, sequence: 2 };
    const ping = buildIcmp({ ...echo, data: Uint8Array.of(5) });
    guest.sendIpv4(GATEWAY_ADDRESS, IpProtocol.icmp, ping);
    expect((await guest.expect(icmpOf)).type).toBe(IcmpType.echoReply);
  });

  it("carries UDP and 20 MB of TCP from the host, where that is allowed", async () => {
    const bytes = randomBytes(20_000_000);
    const tcp = await tcpServer((socket) => socket.end(bytes));
    const udp = await udpServer((payload) => payload);
    cleanups.push(tcp.close, udp.close);
    const relay = await start({ allow: [`127.0.0.1:${tcp.port}`, `host:${udp.port}`] });
    const guest = await join(relay);
    guest.sendUdp(GATEWAY_ADDRESS, udp.port, Buffer.from("hello"));
    expect(Buffer.from((await guest.expect(udpOf)).payload).toString()).toBe("hello");

    const hash = createHash("sha256");
    const client = new TestTcpClient(guest, GATEWAY_ADDRESS, tcp.port, {
      onData: (chunk) => hash.update(chunk),
    });
    cleanups.push(() => client.dispose());
    await client.connect();
    await client.until(() => client.finished);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    const other = new TestTcpClient(guest, GATEWAY_ADDRESS, 1, { port: 1 });
    cleanups.push(() => other.dispose());
    await expect(other.connect()).rejects.toThrow("refused");
  });
});

describe("the gateway of a LAN", () => {
  it("keeps leases and connections while a member reconnects", async () => {
    const server = await tcpServer((socket) => socket.pipe(socket));
    cleanups.push(server.close);
    const relay = await start({ allow: [`host:${server.port}`] });
    const before = await join(relay);
    const client = new TestTcpClient(before, GATEWAY_ADDRESS, server.port);
    cleanups.push(() => client.dispose());
    await client.connect();
    before.close();
    await until(() => relay.stats()[0].members.length === 0);
    expect(relay.stats()[0].gateway?.openTcp).toBe(1);
    await join(relay);
    expect(relay.stats()[0].gateway?.openTcp).toBe(1);
  });

  it("can be left out", async () => {
    const relay = await start({ gateway: false });
    const guest = await join(relay);
    guest.sendFrame(arpRequest(guest, GATEWAY_ADDRESS));
    await pause(50);
    expect(guest.frames).toEqual([]);
    expect(relay.stats()[0].gateway).toBeUndefined();
  });
});

describe("a slow reader", () => {
  it("loses frames, and the relay's memory stays flat", async () => {
    const relay = await start({ gateway: false });
    const fast = await join(relay, "lan/x", A);
    const slow = await join(relay, "lan/x", B);
    slow.sendEthernet(BROADCAST_MAC, 0x88b5, new Uint8Array(1));
    await fast.expect((frame) => frame);
    slow.socket.pause();
    const payload = new Uint8Array(1486);
    for (let round = 0; round < 40; round += 1) {
      for (let i = 0; i < 1000; i += 1) fast.sendEthernet(B, 0x88b5, payload);
      await until(() => fast.socket.bufferedAmount === 0);
    }
    const member = () => relay.stats()[0].members[1];
    await until(() => member().droppedFrames + member().receivedFrames >= 40_000);
    expect(member().droppedFrames).toBeGreaterThan(10_000);
    expect(member().backlogBytes).toBeLessThan(MAX_BACKLOG_BYTES * 1.1);
    slow.socket.resume();
    await until(() => member().backlogBytes === 0);
    fast.sendEthernet(B, 0x88b5, Uint8Array.of(77));
    await slow.expect((frame) => (frame.length === 15 ? frame : undefined));
  });
});

describe("admission", () => {
  it.each([
    { what: "a foreign origin", origin: "https://evil.example", status: "403" },
    { what: "a wrong token", path: "lan/x?token=no", token: "yes", status: "401" },
    { what: "a missing token", token: "yes", status: "401" },
    { what: "a name of no LAN", path: "lan/a%2Fb", status: "400" },
    { what: "no origin, when one is needed", requireOrigin: true, status: "403" },
  ])("refuses $what", async ({ path = "lan/x", origin, status, what: _what, ...options }) => {
    const relay = await start(options);
    await expect(join(relay, path, A, origin)).rejects.toThrow(status);
    expect(relay.stats()).toEqual([]);
  });

  it("takes listed origins, right tokens and pages of its own", async () => {
    const relay = await start({ token: "yes", origins: ["https://vm.example.org"] });
    await join(relay, "lan/x?token=yes", A, "https://vm.example.org");
    await join(relay, "lan/x?token=yes", A, relay.url.replace("ws:", "http:").replace(/\/$/, ""));
    expect(relay.stats()[0].members.length).toBe(2);
  });

  it("holds the limits of members and LANs", async () => {
    const relay = await start({ maxMembersPerLan: 2, maxLans: 2 });
    const first = await join(relay, "lan/a", A);
    await join(relay, "lan/a", B);
    await expect(join(relay, "lan/a")).rejects.toThrow("503");
    const other = await join(relay, "lan/b");
    await expect(join(relay, "lan/c")).rejects.toThrow("503");
    first.close();
    await until(() => relay.stats()[0].members.length === 1);
    await join(relay, "lan/a");
    // A LAN that is only remembered makes room for a new one.
    other.close();
    await until(() => relay.stats()[1].members.length === 0);
    await join(relay, "lan/c");
    expect(relay.stats().map((lan) => lan.name)).toEqual(["a", "c"]);
  });

  it("holds the limit of bytes in a second", async () => {
    const relay = await start({ gateway: false, maxBytesPerSecond: 10_000 });
    const a = await join(relay, "lan/x", A);
    for (let i = 0; i < 100; i += 1) a.sendEthernet(B, 0x88b5, new Uint8Array(986));
    const member = () => relay.stats()[0].members[0];
    await until(() => member().sentFrames + member().limitedFrames === 100);
    expect(member().sentFrames).toBeGreaterThanOrEqual(10);
    expect(member().sentFrames).toBeLessThan(40);
  });
});

describe("a member", () => {
  it("is charged for short frames as well", async () => {
    const relay = await start({ gateway: false, maxBytesPerSecond: 100 * MIN_FRAME_CHARGE });
    const a = await join(relay, "lan/x", A);
    for (let i = 0; i < 1000; i += 1) a.sendEthernet(B, 0x88b5, new Uint8Array(0));
    const member = () => relay.stats()[0].members[0];
    await until(() => member().sentFrames + member().limitedFrames === 1000);
    expect(member().sentFrames).toBeGreaterThanOrEqual(100);
    expect(member().sentFrames).toBeLessThan(400);
  });
});

describe("the server", () => {
  it("says what it is to those who do not upgrade", async () => {
    const relay = await start();
    const response = await fetch(relay.url.replace("ws:", "http:"));
    expect(response.status).toBe(426);
  });

  it("can share another, and leaves that one's paths alone", async () => {
    const server = createServer((_request, response) => response.end("page"));
    server.on("upgrade", (request, socket) => {
      if (request.url === "/reload") socket.end("HTTP/1.1 418 Mine\r\n\r\n");
    });
    await listenOnLoopback(server);
    cleanups.push(() => server.close());
    const relay = await start({ server });
    await join(relay, "lan/x", A);
    await expect(join(relay, "reload")).rejects.toThrow("418");
    expect(await (await fetch(relay.url.replace("ws:", "http:"))).text()).toBe("page");
    await relay.close();
    expect(server.listening).toBe(true);
    expect(server.listenerCount("upgrade")).toBe(1);
  });

  it("answers for other paths when nobody else does", async () => {
    const server = createServer();
    await listenOnLoopback(server);
    cleanups.push(() => server.close());
    const relay = await start({ server });
    await expect(join(relay, "reload")).rejects.toThrow("404");
  });

  it("says good-bye to its members when it closes", async () => {
    const relay = await start();
    const guest = await join(relay);
    const closed = new Promise((resolve) => guest.socket.once("close", resolve));
    await relay.close();
    expect(await closed).toBe(1001);
    await expect(join(relay)).rejects.toThrow("ECONNREFUSED");
  });

  it("closes though a member does not answer", async () => {
    const relay = await start();
    const guest = await join(relay);
    guest.socket.pause();
    await relay.close();
    expect(relay.stats()).toEqual([]);
  });

  it("reports a port that it cannot have", async () => {
    const relay = await start();
    const port = Number(new URL(relay.url).port);
    await expect(startRelay({ port })).rejects.toThrow("EADDRINUSE");
  });

  it("survives what is no WebSocket", async () => {
    const relay = await start();
    const port = Number(new URL(relay.url).port);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write("GET /lan/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    const guest = await join(relay);
    expect(guest.socket.readyState).toBe(WebSocket.OPEN);
  });
});
