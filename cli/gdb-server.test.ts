/** Peers that are no GDB, or one that has gone mad, at the port of a machine. */
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { MAX_WAITING_BYTES } from "../relay/loopback-port.ts";
import { encodePacket, MAX_PAYLOAD_BYTES } from "../src/inspect/gdb/packets.ts";
import { AT, loopingMachine } from "../src/inspect/testing/looping-machine.ts";
import type { Machine } from "../src/machine/machine.ts";
import { GdbServer } from "./gdb-server.ts";

const LIMIT_MS = 60_000;
const STOPPED = /^\+\$T05thread:1;#/;

let machine: Machine;
let server: GdbServer;
let port: number;
let kills: number;

beforeEach(async () => {
  machine = loopingMachine();
  kills = 0;
  server = new GdbServer(machine, { kill: () => void kills++ });
  port = await server.listen(0);
});
afterEach(() => server.close());

async function connect(): Promise<Socket> {
  const socket = createConnection(port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  return socket;
}

const closed = (socket: Socket) => new Promise((resolve) => socket.once("close", resolve));

/** The answer to `?` of a client that behaves, which the machine serves once it has noticed others' ends. */
async function stopReply(): Promise<string> {
  for (;;) {
    const socket = await connect();
    socket.write(encodePacket("?"));
    const [answer] = await Promise.race([once(socket, "data"), closed(socket).then(() => [""])]);
    socket.destroy();
    if (answer !== "") return String(answer);
    await sleep(5);
  }
}

const junk = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  // Half a packet, a wrong checksum, one that is too long.
  fc.constantFrom("$m80200000,1", "$g#00", `$${"a".repeat(MAX_PAYLOAD_BYTES + 9)}#00`, "+", "\x03"),
  fc
    .constantFrom("c", "s", "g", "?", "vCont;s:1", `Z0,${AT.leaf.toString(16)},4`, "Z2,80200800,8")
    .map((payload) => encodePacket(payload)),
);
const act = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), what: junk }) },
  fc.record({ kind: fc.constantFrom("second" as const, "run" as const, "leave" as const) }),
);

it("serves the next client whatever peers have sent, and however they have gone", {
  timeout: LIMIT_MS,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      let peer = await connect();
      peer.write("+");
      for (const one of acts) {
        if (one.kind === "say") peer.write(one.what);
        else if (one.kind === "run") machine.runSlice(1);
        else if (one.kind === "second") (await connect()).destroy();
        else {
          peer.destroy();
          peer = await connect();
        }
      }
      peer.destroy();
      expect(await stopReply()).toMatch(STOPPED);
      // It is gone too: nothing of anybody's is left behind.
      await expect.poll(() => machine.hold.isActive).toBe(false);
      expect(machine.harts[0].debug?.points.breakpoints).toEqual([]);
      expect(kills).toBe(0);
    }),
    { numRuns: 25 },
  );
});

it("serves one client at a time", async () => {
  const first = await connect();
  await closed(await connect());
  first.write(encodePacket("?"));
  expect(String((await once(first, "data"))[0])).toMatch(STOPPED);
  first.destroy();
});

it("cuts off a client that asks and does not read", { timeout: LIMIT_MS }, async () => {
  const peer = await connect();
  peer.pause();
  const question = encodePacket(`m80200000,${(MAX_PAYLOAD_BYTES / 2).toString(16)}`);
  const many = Buffer.concat(
    Array(Math.ceil((4 * MAX_WAITING_BYTES) / MAX_PAYLOAD_BYTES)).fill(question),
  );
  while (!peer.destroyed) {
    peer.write(many);
    await sleep(10);
  }
  await expect.poll(() => machine.hold.isActive).toBe(false);
  expect(await stopReply()).toMatch(STOPPED);
});

it("closes the connection of a browser, and of who does not close it himself", async () => {
  const peer = await connect();
  peer.write("GET / HTTP/1.1\r\n\r\n");
  await closed(peer);
  expect(machine.hold.isActive).toBe(false);
  const quiet = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(quiet, "connect");
  quiet.write(encodePacket("D"));
  expect(await stopReply()).toMatch(STOPPED);
  quiet.destroy();
});
