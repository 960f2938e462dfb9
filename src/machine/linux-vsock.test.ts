/** Sockets between the embedded Linux and the host. */
import { beforeAll, describe, expect, it } from "vitest";
import type { VsockDevice } from "../virtio/devices/vsock.ts";
import {
  VSOCK_RECEIVE_MAX,
  VSOCK_SEND_MAX,
  type VsockConnection,
} from "../virtio/devices/vsock-connection.ts";
import { VsockType } from "../virtio/devices/vsock-packet.ts";
import { hasGuest, LIMIT_MS, type LinuxSession } from "./testing/linux-session.ts";
import { VsockLinux } from "./testing/vsock-linux.ts";

const MIB = 1 << 20;

const byteAt = (i: number) => (i * 31 + (i >> 9)) & 0xff;

/** The host's end of a connection: sends a pattern, and checks one. */
class Peer {
  received = 0;
  wrong = 0;
  readonly messages: Uint8Array[] = [];
  isConnected = false;
  isClosed = false;
  reason: string | undefined;
  /** Does not read while false. */
  reads = true;
  sent = 0;
  connection!: VsockConnection;
  readonly #toSend: number;

  constructor(toSend = 0) {
    this.#toSend = toSend;
  }

  connected(): void {
    this.isConnected = true;
    this.writable();
  }

  readable(): void {
    if (!this.reads) return;
    for (let part = this.connection.read(); part !== undefined; part = this.connection.read()) {
      if (this.connection.type === VsockType.SEQPACKET) this.messages.push(part);
      for (const byte of part) this.wrong += byte === byteAt(this.received++) ? 0 : 1;
    }
    if (this.connection.ended && !this.connection.isClosed) this.connection.close();
  }

  writable(): void {
    while (this.sent < this.#toSend) {
      const start = this.sent;
      const length = Math.min(60_000, this.#toSend - start);
      this.sent += length;
      const bytes = Uint8Array.from({ length }, (_, i) => byteAt(start + i));
      if (!this.connection.send(bytes)) return;
    }
    if (this.#toSend > 0) this.connection.end();
  }

  closed(reason: string | undefined): void {
    this.readable();
    this.isClosed = true;
    this.reason = reason;
  }
}

describe.skipIf(!hasGuest)("sockets of Linux", () => {
  let linux: VsockLinux;
  let device: VsockDevice;
  let session: LinuxSession;

  const listen = (port: number, type: VsockType, peer: Peer) =>
    device.listen(port, type, (connection) => {
      peer.connection = connection;
      return peer;
    });

  const dial = async (command: string, port: number, type: VsockType, peer: Peer) => {
    peer.connection = await linux.dial(command, port, type, peer);
  };

  beforeAll(async () => {
    linux = new VsockLinux();
    ({ device, session } = linux);
    await linux.start();
  }, LIMIT_MS);

  it("carry 10 MiB from the guest to a listener of the host", { timeout: LIMIT_MS }, async () => {
    const peer = new Peer();
    const stop = listen(1234, VsockType.STREAM, peer);
    const length = 10 * MIB;
    expect(await session.command(`./vs connect stream 1234 source ${length}`)).toContain(
      `sourced ${length}`,
    );
    await session.runUntil(() => peer.isClosed, "end");
    expect([peer.received, peer.wrong, peer.reason]).toEqual([length, 0, undefined]);
    stop();
    expect(device.counters()).toMatchObject({ connections: 0 });
  });

  it("carry 10 MiB from the host to a listener of the guest", { timeout: LIMIT_MS }, async () => {
    const peer = new Peer(10 * MIB);
    await dial("./vs listen stream 80 sink", 80, VsockType.STREAM, peer);
    expect(await linux.session.finished()).toContain(`sunk ${10 * MIB} wrong 0`);
    await session.runUntil(() => peer.isClosed, "end");
    expect([peer.isConnected, peer.reason]).toEqual([true, undefined]);
  });

  it("keep the boundaries of messages, both ways", { timeout: LIMIT_MS }, async () => {
    const sizes = [1, 2, 100, 4052, 4053, 70_000, 3, VSOCK_RECEIVE_MAX - 4];
    for (const asks of ["guest", "host"]) {
      const peer = new Peer();
      if (asks === "host") {
        await dial("./vs listen seq 81 echo", 81, VsockType.SEQPACKET, peer);
        await session.runUntil(() => peer.isConnected, "answer");
      } else {
        const stop = listen(81, VsockType.SEQPACKET, peer);
        session.begin("./vs connect seq 81 echo");
        await session.runUntil(() => peer.connection !== undefined, "request");
        stop();
      }
      for (const size of sizes) peer.connection.send(new Uint8Array(size).fill(size));
      await session.runUntil(() => peer.messages.length === sizes.length, "messages");
      expect(peer.messages.map((message) => message.length)).toEqual(sizes.map((n) => n + 4));
      for (const [i, message] of peer.messages.entries()) {
        expect(new DataView(message.buffer, message.byteOffset).getUint32(0, true)).toBe(sizes[i]);
        expect(message.subarray(4).every((byte) => byte === (sizes[i] & 0xff))).toBe(true);
      }
      peer.connection.close();
      expect(await linux.session.finished()).toContain(`echoed ${sizes.length}`);
    }
  });

  it("are refused where nobody listens", { timeout: LIMIT_MS }, async () => {
    expect(await session.command("./vs connect stream 9 sink")).toMatch(/connect: Connection re/);
    expect(await session.command("./vs connect seq 1234 sink")).toMatch(/connect: Connection re/);
    const peer = new Peer();
    peer.connection = device.connect(9, VsockType.STREAM, peer);
    await session.runUntil(() => peer.isClosed, "refusal");
    expect([peer.isConnected, peer.reason]).toEqual([false, "refused or reset"]);
  });

  it("stop a sender whose reader is slow", { timeout: LIMIT_MS }, async () => {
    const reader = new Peer();
    reader.reads = false;
    const stop = listen(1234, VsockType.STREAM, reader);
    const before = device.counters().receivedBytes;
    const arrived = () => device.counters().receivedBytes - before;
    await session.command(`./vs connect stream 1234 source ${4 * MIB} & true`);
    await session.runUntil(() => arrived() >= VSOCK_RECEIVE_MAX, "full buffer");
    await session.command("usleep 300000");
    expect(arrived()).toBe(VSOCK_RECEIVE_MAX);
    reader.reads = true;
    reader.readable();
    await session.runUntil(() => reader.isClosed, "end");
    expect([reader.received, reader.wrong]).toEqual([4 * MIB, 0]);
    stop();

    const sender = new Peer(4 * MIB);
    await dial("./vs listen stream 82 sleep 3", 82, VsockType.STREAM, sender);
    await session.runUntil(() => sender.isConnected, "answer");
    await session.during(new Promise((resolve) => setTimeout(resolve, 300)));
    // What the guest has room for, and what waits in the host.
    expect(sender.sent).toBeLessThan(2 * VSOCK_SEND_MAX + 256 * 1024);
    expect(await linux.session.finished()).toContain(`sunk ${4 * MIB} wrong 0`);
  });
});
