/** The network card on a relay that misbehaves: each fault ends in a recovery or a link that is down. */
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { listenOnLoopback } from "../relay/loopback-port.ts";
import { MAX_BUFFERED_BYTES, MAX_MESSAGE_BYTES } from "../src/host/websocket-net.ts";
import { PACKET_HEADER, PACKET_PROTOCOL } from "../src/packet/header.ts";
import { tcpPacket } from "../src/packet/testing/packets.ts";
import { TestDriver } from "../src/virtio/testing/driver.ts";
import { connectNetwork } from "./network.ts";

const STATUS = 6;
const LIMIT_MS = 10_000;

const cleanups: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error("it did not happen");
    await sleep(5);
  }
}

/** A driver whose card is connected to whatever `port` is. */
function connect(port: number) {
  const said: string[] = [];
  const card = connectNetwork(`ws://127.0.0.1:${port}/lan/x`, (message) => said.push(message));
  cleanups.push(() => card.close());
  const driver = new TestDriver(card.device, { ramSize: 16 << 20 }).start();
  const [rx, tx] = driver.splitQueues;
  return { card, driver, said, rx, tx, isUp: () => (driver.config(STATUS, 2) & 1) === 1 };
}

/** A relay that does nothing by itself. */
async function setUp() {
  const relay = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  cleanups.push(() => {
    for (const client of relay.clients) client.terminate();
    relay.close();
  });
  const members: { socket: WebSocket; messages: Buffer[] }[] = [];
  relay.on("connection", (socket) => {
    const messages: Buffer[] = [];
    socket.on("message", (data) => messages.push(data as Buffer));
    socket.on("error", () => {});
    members.push({ socket, messages });
  });
  await new Promise((resolve) => relay.once("listening", resolve));
  const client = connect((relay.address() as { port: number }).port);
  await until(client.isUp);
  expect(members[0].socket.protocol).toBe(PACKET_PROTOCOL);
  return { ...client, members };
}

it("messages that are none cost the guest nothing", async () => {
  const { card, members, rx, isUp } = await setUp();
  const [{ socket }] = members;
  const lie = tcpPacket(3000, 1460);
  lie.fill(0xff, 1, 10);
  for (const message of ["text", Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(500, 0xff), lie]) {
    socket.send(message);
  }
  rx.add([], [4096]);
  rx.kick();
  socket.send(tcpPacket(3000, 1460));
  await until(() => rx.poll().length === 1);
  expect(card.device.counters()).toMatchObject({ received: 1, receiveDropped: 4 });
  expect(isUp()).toBe(true);
});

it("a message beyond the limit ends the connection, and the next one begins", async () => {
  const { members, said, isUp, driver } = await setUp();
  members[0].socket.send(new Uint8Array(MAX_MESSAGE_BYTES + 1));
  await until(() => !isUp());
  expect(said).toHaveLength(1);
  await until(() => isUp() && members.length === 2);
  // The guest is asked to announce itself there.
  await until(() => driver.config(STATUS, 2) === 3);
});

it("a relay that does not read makes the guest wait, and gets everything in the end", async () => {
  const { card, members, tx } = await setUp();
  const [{ socket, messages }] = members;
  socket.pause();
  const packet = tcpPacket(60_000, 1460);
  const COUNT = 200;
  for (let i = 0; i < COUNT; i++) {
    packet[PACKET_HEADER + 5] = i;
    tx.add([packet], []);
  }
  tx.kick();
  let used = tx.poll().length;
  await sleep(100);
  tx.kick();
  used += tx.poll().length;
  // What has left the ring waits in the sockets of both ends, and in no queue without a bound.
  const inKernel = 8 << 20;
  expect(used * packet.length).toBeLessThan(MAX_BUFFERED_BYTES + packet.length + inKernel);
  expect(used).toBeLessThan(COUNT);
  socket.resume();
  await until(() => messages.length === COUNT);
  expect(messages.map((message) => message[PACKET_HEADER + 5])).toEqual([...Array(COUNT).keys()]);
  expect(card.device.counters()).toMatchObject({ sent: COUNT, sendDropped: 0 });
});

it("a relay that ends in the midst of sending loses the guest nothing but frames", async () => {
  const { members, tx, isUp } = await setUp();
  members[0].socket.pause();
  for (let i = 0; i < 200; i++) tx.add([tcpPacket(60_000, 1460)], []);
  tx.kick();
  let used = tx.poll().length;
  members[0].socket.terminate();
  await until(() => members.length === 2 && isUp());
  await until(() => {
    used += tx.poll().length;
    return used === 200;
  });
});

/** A relay of raw TCP, which has done the handshake when `act` is called. */
async function rawRelay(act: (socket: Socket, count: number) => void): Promise<Server> {
  const { createHash } = await import("node:crypto");
  let count = 0;
  const server = createServer((socket) => {
    cleanups.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/i.exec(request.toString())?.[1] ?? "";
      const digest = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Protocol: ${PACKET_PROTOCOL}\r\n` +
          `Sec-WebSocket-Accept: ${digest.digest("base64")}\r\n\r\n`,
      );
      act(socket, count++);
    });
  });
  cleanups.push(() => server.close());
  await listenOnLoopback(server);
  return server;
}

const portOf = (server: Server) => (server.address() as { port: number }).port;

/** A binary message of less than 64 KiB. */
function framed(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0x82, 126, message.length >> 8, message.length & 255), message]);
}

it("a message that comes in drops is whole in the end", async () => {
  const server = await rawRelay(async (socket) => {
    const bytes = framed(tcpPacket(1000, 500));
    for (let at = 0; at < bytes.length; at += 40) {
      socket.write(bytes.subarray(at, at + 40));
      await sleep(1);
    }
  });
  const { rx } = connect(portOf(server));
  const request = rx.add([], [2048]);
  rx.kick();
  await until(() => rx.poll().length === 1);
  const packet = tcpPacket(1000, 500);
  expect(rx.written(request).subarray(PACKET_HEADER, packet.length)).toEqual(
    packet.subarray(PACKET_HEADER),
  );
});

it("a connection torn in a message, and one that breaks the protocol, are made anew", async () => {
  const server = await rawRelay((socket, count) => {
    if (count === 0) socket.end(framed(tcpPacket(1000, 500)).subarray(0, 100));
    else if (count === 1) socket.write(Buffer.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8));
    else socket.write(framed(tcpPacket(1000, 500)));
  });
  const { rx, card, said } = connect(portOf(server));
  rx.add([], [2048]);
  rx.kick();
  await until(() => rx.poll().length === 1);
  expect(said).toHaveLength(2);
  expect(card.device.counters()).toMatchObject({ received: 1, receiveDropped: 0 });
});
