import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { type Packet, VsockGuest } from "../testing/vsock-guest.ts";
import { VSOCK_CONNECTIONS_MAX, VSOCK_REPLIES_MAX, VsockDevice } from "./vsock.ts";
import {
  VSOCK_RECEIVE_MAX,
  VSOCK_SEND_MAX,
  type VsockConnection,
  type VsockHandler,
} from "./vsock-connection.ts";
import {
  HOST_CID,
  SEQ_EOM,
  VSOCK_PACKET_MAX,
  VsockOp,
  VsockShutdown,
  VsockType,
} from "./vsock-packet.ts";

const { REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST } = VsockOp;
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const pattern = (length: number) =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 9)) & 0xff);

/** Remembers what it was told, and reads when asked to. */
class Recorder implements VsockHandler {
  readonly log: string[] = [];
  connection!: VsockConnection;

  connected(): void {
    this.log.push("connected");
  }

  readable(): void {
    this.log.push("readable");
  }

  writable(): void {
    this.log.push("writable");
  }

  closed(reason: string | undefined): void {
    this.log.push(reason === undefined ? "closed" : `closed: ${reason}`);
  }

  /** Everything that can be read. */
  read(): string[] {
    const parts: string[] = [];
    for (let part = this.connection.read(); part; part = this.connection.read()) {
      parts.push(text(part));
    }
    return parts;
  }
}

/** A device with a listener at port 5000 for both kinds of sockets. */
function create(packed: boolean) {
  const device = new VsockDevice("vsock0", 42);
  const accepted: Recorder[] = [];
  for (const type of [VsockType.STREAM, VsockType.SEQPACKET]) {
    device.listen(5000, type, (connection) => {
      const recorder = new Recorder();
      recorder.connection = connection;
      accepted.push(recorder);
      return recorder;
    });
  }
  const guest = new VsockGuest(device, packed).offer(16);
  return { device, guest, accepted };
}

/** With a connection that the guest has opened. */
function connected(packed: boolean, type: VsockType = VsockType.STREAM) {
  const made = create(packed);
  made.guest.send({ op: REQUEST, type });
  made.guest.received();
  const [recorder] = made.accepted;
  return { ...made, recorder, connection: recorder.connection };
}

const ops = (guest: VsockGuest) => guest.received().map(({ op }) => op);

describe.each([false, true])("sockets (packed: %s)", (packed) => {
  it("are opened by the guest, carry bytes and end in order", () => {
    const { guest, accepted } = create(packed);
    guest.send({ op: REQUEST });
    expect(guest.received()).toEqual([
      {
        op: RESPONSE,
        type: VsockType.STREAM,
        srcCid: HOST_CID,
        dstCid: 42,
        srcPort: 5000,
        dstPort: 1000,
        length: 0,
        flags: 0,
        bufAlloc: VSOCK_RECEIVE_MAX,
        fwdCnt: 0,
        data: new Uint8Array(),
      },
    ]);
    const [recorder] = accepted;
    const { connection } = recorder;
    expect([connection.hostPort, connection.guestPort]).toEqual([5000, 1000]);
    guest.send({ op: RW, data: bytes("hello ") }, { op: RW, data: bytes("host") });
    expect(recorder.log).toEqual(["readable", "readable"]);
    expect(recorder.read().join("")).toBe("hello host");
    expect(connection.send(bytes("hello guest"))).toBe(true);
    const [data] = guest.received();
    expect([data.op, text(data.data), data.fwdCnt]).toEqual([RW, "hello guest", 10]);

    guest.send({ op: RW, data: bytes("last") }, { op: SHUTDOWN, flags: VsockShutdown.SEND });
    expect(connection.ended).toBe(false);
    expect(recorder.read()).toEqual(["last"]);
    expect(connection.ended).toBe(true);
    connection.send(bytes("answer"));
    connection.end();
    expect(connection.canSend).toBe(false);
    expect(guest.received().map(({ op, flags }) => [op, flags])).toEqual([
      [RW, 0],
      [SHUTDOWN, VsockShutdown.SEND],
    ]);
    guest.send({ op: SHUTDOWN, flags: VsockShutdown.BOTH });
    expect(ops(guest)).toEqual([RST]);
    expect(recorder.log.slice(2)).toEqual(["readable", "readable", "closed"]);
    expect(connection.isClosed).toBe(true);
  });

  it("are opened by the host", () => {
    const { device, guest } = create(packed);
    const recorder = new Recorder();
    const connection = device.connect(80, VsockType.STREAM, recorder);
    expect(connection.send(bytes("early"))).toBe(true);
    const [request, ...others] = guest.received();
    expect(request).toMatchObject({ op: REQUEST, srcCid: HOST_CID, dstPort: 80 });
    expect(others).toEqual([]);
    guest.guestPort = 80;
    guest.hostPort = request.srcPort;
    guest.send({ op: RESPONSE });
    expect(recorder.log).toEqual(["connected"]);
    expect(guest.received().map(({ data }) => text(data))).toEqual(["early"]);
    connection.close();
    expect(guest.received()).toMatchObject([{ op: SHUTDOWN, flags: VsockShutdown.BOTH }]);
    guest.send({ op: RST });
    expect(recorder.log).toEqual(["connected", "closed"]);
    expect(device.counters()).toMatchObject({ connections: 0 });
  });

  it("are refused by either side", () => {
    const { device, guest } = create(packed);
    guest.send({ op: REQUEST, dstPort: 1 });
    expect(guest.received()).toMatchObject([{ op: RST, srcPort: 1, dstPort: 1000 }]);
    device.listen(1, VsockType.STREAM, () => undefined);
    guest.send({ op: REQUEST, dstPort: 1 });
    expect(ops(guest)).toEqual([RST]);
    const recorder = new Recorder();
    const connection = device.connect(80, VsockType.STREAM, recorder);
    guest.send({ op: RST, srcPort: 80, dstPort: connection.hostPort });
    expect(recorder.log).toEqual(["closed: refused or reset"]);
    expect(device.counters()).toMatchObject({ connections: 0, refused: 2 });
  });

  it("are cut by either side", () => {
    const { device, guest, recorder, connection } = connected(packed);
    guest.send({ op: RW, data: bytes("unread") }, { op: RST });
    expect(recorder.log).toEqual(["readable", "closed: refused or reset"]);
    expect([connection.ended, connection.read()]).toEqual([true, undefined]);
    expect(ops(guest)).toEqual([]);
    const other = new Recorder();
    device.connect(80, VsockType.STREAM, other).reset();
    expect(ops(guest)).toEqual([REQUEST, RST]);
    expect(other.log).toEqual([]);
    expect(device.counters()).toMatchObject({ connections: 0 });
  });

  it("keep the boundaries of messages", () => {
    const { guest, recorder, connection } = connected(packed, VsockType.SEQPACKET);
    const type = VsockType.SEQPACKET;
    guest.send(
      { op: RW, type, data: bytes("in ") },
      { op: RW, type, data: bytes("pieces"), flags: SEQ_EOM },
      { op: RW, type, flags: SEQ_EOM },
      { op: RW, type, data: bytes("b"), flags: SEQ_EOM },
      { op: RW, type, data: bytes("half") },
    );
    expect(recorder.log).toEqual(["readable", "readable", "readable"]);
    expect(recorder.read()).toEqual(["in pieces", "", "b"]);
    for (const part of ["one", "", "two"]) connection.send(bytes(part));
    connection.send(pattern(5000));
    const packets = guest.received();
    expect(packets.map(({ flags, length }) => [flags, length])).toEqual([
      [SEQ_EOM, 3],
      [SEQ_EOM, 0],
      [SEQ_EOM, 3],
      [0, 4052],
      [SEQ_EOM, 948],
    ]);
    const last = packets.slice(3).flatMap(({ data }) => [...data]);
    expect(last).toEqual([...pattern(5000)]);
  });

  it("refuse messages that the guest could never take", () => {
    const { guest, recorder, connection } = connected(packed, VsockType.SEQPACKET);
    connection.send(new Uint8Array(guest.bufAlloc + 1));
    expect(ops(guest)).toEqual([RST]);
    expect(recorder.log[0]).toMatch(/longer than/);
  });

  it("wait with the rest of a message for a guest that has less room by then", () => {
    const { guest, connection } = connected(packed, VsockType.SEQPACKET);
    const type = VsockType.SEQPACKET;
    guest.bufAlloc = 8000;
    guest.send({ op: CREDIT_UPDATE, type });
    connection.send(pattern(100));
    connection.send(pattern(8000));
    expect(guest.received().map(({ length }) => length)).toEqual([100, 4052, 3848, 0]);
    guest.bufAlloc = 10;
    guest.send({ op: CREDIT_UPDATE, type, fwdCnt: 7995 });
    expect(guest.received().map(({ op, length }) => [op, length])).toEqual([
      [RW, 5],
      [CREDIT_REQUEST, 0],
    ]);
    guest.send({ op: CREDIT_UPDATE, type, fwdCnt: 7995 });
    expect(ops(guest)).toEqual([]);
    guest.send({ op: CREDIT_UPDATE, type, fwdCnt: 8005 });
    guest.send({ op: CREDIT_UPDATE, type, fwdCnt: 8015 });
    const rest = guest.received().filter(({ op }) => op === RW);
    expect(rest.map(({ length }) => length).reduce((sum, length) => sum + length)).toBe(20);
  });

  it("send no more than the guest gives credit for", () => {
    const { guest, recorder, connection } = connected(packed);
    guest.offer(60);
    const data = pattern(VSOCK_SEND_MAX + 100_000);
    expect(connection.send(data)).toBe(false);
    let packets = guest.received();
    expect(packets.at(-1)?.op).toBe(CREDIT_REQUEST);
    let sum = packets.reduce((total, { length }) => total + length, 0);
    expect(sum).toBe(guest.bufAlloc);
    // The answer gives no new credit, and is not asked for again at once.
    guest.send({ op: CREDIT_UPDATE });
    expect(ops(guest)).toEqual([]);
    let count = 0;
    while (sum < data.length && count++ < 20) {
      guest.offer(20).send({ op: CREDIT_UPDATE, fwdCnt: sum });
      packets = [...packets, ...guest.received()];
      sum = packets.reduce((total, { length }) => total + length, 0);
    }
    expect(packets.flatMap((packet) => [...packet.data])).toEqual([...data]);
    expect(recorder.log).toEqual(["writable"]);
    expect(connection.send(bytes("x"))).toBe(true);
  });

  it("count credit modulo 2^32, and believe no guest that lies", () => {
    const { guest, connection } = connected(packed);
    // More consumed than was ever sent: no credit at all.
    guest.send({ op: CREDIT_UPDATE, fwdCnt: 1 });
    connection.send(bytes("stuck"));
    expect(ops(guest)).toEqual([CREDIT_REQUEST]);
    guest.send({ op: CREDIT_UPDATE, bufAlloc: 0 });
    expect(ops(guest)).toEqual([]);
    guest.send({ op: CREDIT_UPDATE, bufAlloc: 0xffff_ffff, fwdCnt: 0xffff_fffe });
    expect(guest.received().map(({ data }) => text(data))).toEqual(["stuck"]);
  });

  it("tell the guest of credit as the host reads, and on request", () => {
    const { guest, recorder } = connected(packed);
    const half = VSOCK_RECEIVE_MAX / 8;
    guest.send({ op: RW, data: pattern(half) });
    recorder.read();
    expect(ops(guest)).toEqual([]);
    guest.send({ op: RW, data: pattern(half) });
    recorder.read();
    expect(guest.received()).toMatchObject([{ op: CREDIT_UPDATE, fwdCnt: 2 * half }]);
    guest.send({ op: RW, data: pattern(10) });
    guest.send({ op: CREDIT_REQUEST });
    expect(guest.received()).toMatchObject([
      { op: CREDIT_UPDATE, fwdCnt: 2 * half, bufAlloc: VSOCK_RECEIVE_MAX },
    ]);
  });

  it("let a guest with little credit finish its message", () => {
    const { guest, recorder } = connected(packed, VsockType.SEQPACKET);
    const type = VsockType.SEQPACKET;
    guest.send({ op: RW, type, data: pattern(7), flags: SEQ_EOM });
    recorder.read();
    const data = new Uint8Array(VSOCK_PACKET_MAX);
    for (let i = 0; i < 2; i++) guest.send({ op: RW, type, data });
    expect(ops(guest)).toEqual([]);
    guest.send({ op: RW, type, data });
    expect(guest.received()).toMatchObject([{ op: CREDIT_UPDATE, fwdCnt: 7 }]);
    guest.send({ op: RW, type, data, flags: SEQ_EOM });
    expect(recorder.connection.read()).toHaveLength(VSOCK_RECEIVE_MAX);
  });

  it("are cut when the guest sends more than its credit", () => {
    const { guest, recorder } = connected(packed);
    const data = new Uint8Array(VSOCK_PACKET_MAX);
    for (let sent = 0; sent < VSOCK_RECEIVE_MAX; sent += data.length) guest.send({ op: RW, data });
    expect(recorder.log).toHaveLength(VSOCK_RECEIVE_MAX / data.length);
    guest.send({ op: RW, data: bytes("x") });
    expect(recorder.log.at(-1)).toBe("closed: the guest sent more than its credit");
    expect(ops(guest)).toEqual([RST]);
  });

  it("answer everything invalid with RST, which ends the connection", () => {
    const cases: [string, Packet][] = [
      ["a second request", { op: REQUEST }],
      ["an answer to no request", { op: RESPONSE }],
      ["no op", { op: 0 }],
      ["an unknown op", { op: 8 }],
      ["another type", { op: RW, type: VsockType.SEQPACKET, data: bytes("x") }],
      ["a length beyond the buffer", { op: RW, data: bytes("x"), length: 2 }],
      ["a huge length", { op: RW, data: bytes("x"), length: 0xffff_ffff }],
      ["a long packet", { op: RW, data: new Uint8Array(VSOCK_PACKET_MAX + 1) }],
    ];
    for (const [what, packet] of cases) {
      const { device, guest, recorder } = connected(packed);
      guest.send(packet);
      expect(guest.received(), what).toMatchObject([{ op: RST, srcPort: 5000, dstPort: 1000 }]);
      expect(recorder.log, what).toEqual([expect.stringMatching(/^closed: the guest sent/)]);
      expect(device.counters(), what).toMatchObject({ connections: 0 });
      expect(guest.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
    }
    const { guest } = connected(packed);
    guest.send({ op: SHUTDOWN, flags: VsockShutdown.SEND }, { op: RW, data: bytes("x") });
    expect(ops(guest)).toEqual([RST]);
  });

  it("answer with RST what belongs to no connection, but never an RST", () => {
    const { guest, device } = create(packed);
    for (const op of [0, RESPONSE, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST, 8, 0xffff]) {
      guest.send({ op });
      expect(ops(guest), `op ${op}`).toEqual([RST]);
    }
    guest.send({ op: REQUEST, type: 0 }, { op: REQUEST, type: 3 }, { op: RW, type: 0xffff });
    expect(guest.received().map(({ type }) => type)).toEqual([0, 3, 0xffff]);
    guest.send({ op: RST }, { op: RST, type: 9 }, { op: RST, dstCid: 7 });
    expect(ops(guest)).toEqual([]);
    expect(device.counters()).toMatchObject({ refused: 11, connections: 0 });
  });

  it("know whom packets are from and for", () => {
    const { guest, device } = create(packed);
    for (const srcCid of [0, 1, 2, 43, 2 ** 32 + 42, 0xffff_ffff])
      guest.send({ op: REQUEST, srcCid });
    expect(ops(guest)).toEqual([]);
    expect(device.counters()).toMatchObject({ ignored: 6, connections: 0 });
    for (const dstCid of [0, 1, 3, 42, 0xffff_ffff]) guest.send({ op: REQUEST, dstCid });
    expect(guest.received().map(({ op, srcCid }) => [op, srcCid])).toEqual(
      [0, 1, 3, 42, 0xffff_ffff].map((cid) => [RST, cid]),
    );
    guest.send({ op: REQUEST, dstCid: 2 ** 32 + HOST_CID });
    expect(ops(guest)).toEqual([]);
    // Not even of a connection that is there.
    guest.send({ op: REQUEST });
    guest.send({ op: RST, srcCid: 43 }, { op: RST, dstCid: 7 });
    expect(device.counters()).toMatchObject({ connections: 1 });
  });

  it("survive packets that are none, and buffers that hold none", () => {
    const device = new VsockDevice("vsock0");
    const guest = new VsockGuest(device, packed);
    expect(guest.sendBytes(new Uint8Array(43).fill(1))).toBe(1);
    const queue = guest.driver.queues[1];
    queue.add([], [100]);
    queue.kick();
    expect(queue.poll().map(({ length }) => length)).toEqual([0]);
    expect(device.counters()).toMatchObject({ ignored: 2 });
    guest.offer(2, 44).offer(1, 10).offer(1, 45);
    guest.send({ op: REQUEST });
    const used = guest.driver.queues[0].poll().map(({ length }) => length);
    expect(used).toEqual([0, 0, 0, 44]);
    expect(guest.driver.guardsIntact()).toBe(true);
  });

  it("leave packets in the guest when it takes no answers, and lose none", () => {
    const device = new VsockDevice("vsock0");
    const guest = new VsockGuest(device, packed);
    const queue = guest.driver.queues[1];
    let taken = 0;
    let sent = 0;
    while (taken === sent && sent < 2 * VSOCK_REPLIES_MAX) {
      taken += guest.sendBytes(refusable(sent++));
    }
    expect(taken).toBe(VSOCK_REPLIES_MAX);
    for (let i = 0; i < 20; i++) taken += guest.sendBytes(refusable(sent++));
    expect(taken).toBe(VSOCK_REPLIES_MAX);
    const ports: number[] = [];
    for (let i = 0; i < 6; i++) {
      guest.offer(64, 64);
      ports.push(...guest.received().map(({ dstPort }) => dstPort));
    }
    taken += queue.poll().length;
    expect(taken).toBe(sent);
    expect(ports).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  it("take turns", () => {
    const device = new VsockDevice("vsock0");
    const guest = new VsockGuest(device, packed).offer(3, 64);
    const connections = [1, 2, 3].map((port) => {
      const connection = device.connect(port, VsockType.STREAM, new Recorder());
      guest.send({ op: RESPONSE, srcPort: port, dstPort: connection.hostPort });
      return connection;
    });
    expect(ops(guest)).toEqual([REQUEST, REQUEST, REQUEST]);
    for (const connection of connections) connection.send(pattern(10_000));
    guest.offer(6);
    expect(guest.received().map(({ dstPort }) => dstPort)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  it("are bounded in number; those only waiting for the guest's last word make room", () => {
    const { guest, device, accepted } = create(packed);
    for (let port = 0; port < VSOCK_CONNECTIONS_MAX; port++) {
      guest.offer(1, 64).send({ op: REQUEST, srcPort: port }).received();
    }
    expect(device.counters()).toMatchObject({ connections: VSOCK_CONNECTIONS_MAX });
    guest.offer(8).send({ op: REQUEST, srcPort: 9999 });
    expect(ops(guest)).toEqual([RST]);
    expect(() => device.connect(1, VsockType.STREAM, new Recorder())).toThrow(/too many/);
    accepted[7].connection.close();
    expect(ops(guest)).toEqual([SHUTDOWN]);
    guest.send({ op: REQUEST, srcPort: 9999 });
    expect(guest.received().map(({ op, dstPort }) => [op, dstPort])).toEqual([
      [RST, 7],
      [RESPONSE, 9999],
    ]);
    expect(accepted[7].log).toEqual(["closed"]);
  });

  it("end with the driver, which learns of a restore", () => {
    const { guest, device, recorder } = connected(packed);
    const { transport } = guest.driver;
    const state = structuredClone(transport.save());
    transport.reset();
    expect(recorder.log).toEqual(["closed: the guest has reset its device"]);
    expect(() => device.connect(1, VsockType.STREAM, new Recorder())).toThrow(/no driver/);
    transport.load(state);
    const queue = guest.driver.queues[2];
    const small = queue.add([], [3]);
    const event = queue.add([], [8]);
    queue.kick();
    expect(queue.poll()).toEqual([
      { id: small.id, length: 0 },
      { id: event.id, length: 4 },
    ]);
    queue.add([], [8]);
    queue.kick();
    expect(queue.poll()).toEqual([]);
    // The guest goes on with a connection that is no more.
    guest.offer(4).send({ op: RW, data: bytes("still there?") });
    expect(ops(guest)).toContain(RST);
  });
});

/** A packet to a port where nobody listens, from a port of its own. */
function refusable(port: number): Uint8Array {
  const packet = new Uint8Array(44);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 3, true);
  view.setUint32(8, HOST_CID, true);
  view.setUint32(16, port, true);
  view.setUint16(28, VsockType.STREAM, true);
  view.setUint16(30, REQUEST, true);
  return packet;
}
