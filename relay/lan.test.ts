import { describe, expect, it } from "vitest";
import { PACKET_HEADER } from "../src/packet/header.ts";
import { tcpPacket } from "../src/packet/testing/packets.ts";
import { LocalFabric, MAC_AGE_MS, MAX_BACKLOG_BYTES, MAX_FRAME, MAX_MACS_PER_PORT } from "./lan.ts";
import { ManualClock } from "./testing/manual-clock.ts";
import { BROADCAST_MAC, ETHERNET_HEADER, writeEthernet } from "./wire/ethernet.ts";

const A = 0x5254_0000_000a;
const B = 0x5254_0000_000b;
const C = 0x5254_0000_000c;

function frame(destination: number, source: number, length = 60): Uint8Array {
  const bytes = new Uint8Array(length);
  writeEthernet(bytes, destination, source, 0x0800);
  return bytes;
}

function setUp(name = "lan") {
  const clock = new ManualClock();
  const fabric = new LocalFabric(clock);
  const join = (lan = name, ownMac?: number) => {
    const received: Uint8Array[] = [];
    const member = {
      backlog: 0,
      receive: (bytes: Uint8Array) => received.push(bytes),
      backlogBytes: () => member.backlog,
      ...(ownMac === undefined ? {} : { ownMac }),
    };
    return { member, received, port: fabric.join(lan, member) };
  };
  return { clock, fabric, join };
}

describe("forwarding", () => {
  it("floods frames to unknown, group and broadcast addresses, but not back", () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    for (const to of [B, 0x0100_5e00_0001, BROADCAST_MAC]) a.port.send(frame(to, A));
    expect([a, b, c].map((m) => m.received.length)).toEqual([0, 3, 3]);
  });

  it("sends frames to a known address to its member only", () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    a.port.send(frame(B, A));
    expect([a, b, c].map((m) => m.received.length)).toEqual([1, 1, 1]);
    expect(b.received[0]).toEqual(frame(B, A));
  });

  it("keeps LANs apart", () => {
    const { join, fabric } = setUp();
    const [a, b] = [join("one"), join("two")];
    a.port.send(frame(BROADCAST_MAC, A));
    expect(b.received).toEqual([]);
    expect(fabric.names).toEqual(["one", "two"]);
    a.port.close();
    expect(fabric.names).toEqual(["two"]);
  });

  it("does not send a frame back to the member it came from", () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    a.port.send(frame(BROADCAST_MAC, A));
    a.port.send(frame(BROADCAST_MAC, B));
    a.port.send(frame(B, A));
    expect(a.received).toEqual([]);
    expect(b.received.length).toBe(2);
  });

  it("follows an address to another member", () => {
    const { join } = setUp();
    const [a, b, c] = [join(), join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    c.port.send(frame(BROADCAST_MAC, B));
    a.port.send(frame(B, A));
    expect(b.received.filter((f) => f[5] === 0x0b)).toEqual([]);
    expect(c.received.at(-1)).toEqual(frame(B, A));
  });

  it("does not let an own address be taken over", () => {
    const { join } = setUp();
    const [gateway, a, b] = [join("lan", C), join(), join()];
    b.port.send(frame(BROADCAST_MAC, C));
    expect(b.port.stats.refusedFrames).toBe(1);
    a.port.send(frame(C, A));
    expect([gateway, b].map((m) => m.received.length)).toEqual([1, 0]);
  });

  it("is silent after a member has left", () => {
    const { join, fabric } = setUp();
    const [a, b] = [join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    b.port.close();
    b.port.close();
    b.port.send(frame(BROADCAST_MAC, B));
    a.port.send(frame(B, A));
    expect([a, b].map((m) => m.received.length)).toEqual([1, 0]);
    expect(fabric.addresses("lan")).toEqual(["52:54:00:00:00:0a"]);
  });
});

describe("packets", () => {
  const packet = (to: number, from: number) => tcpPacket(3000, 1460, { to, from });
  const [X, Y, Z] = [0x0200_0000_0001, 0x0200_0000_0002, 0x0200_0000_0003];

  it("go whole to those that take them, and as frames to the others", () => {
    const { join } = setUp();
    const [x, y, z] = [join(), join(), join()];
    const whole: Uint8Array[] = [];
    Object.assign(y.member, {
      takesPackets: true,
      receivePacket: (p: Uint8Array) => whole.push(p),
    });
    expect(x.port.sendPacket(packet(2, 1))).toBe(true);
    expect(whole).toEqual([packet(2, 1)]);
    expect(z.received.map((bytes) => bytes.length)).toEqual([1514, 1514, 134]);
    expect(z.port.stats).toMatchObject({ receivedFrames: 3, receivedBytes: 3162 });
    z.port.send(frame(X, Z));
    y.port.send(frame(X, Y));
    // Known by now, and alone.
    y.port.sendPacket(packet(3, 2));
    expect(z.received.length).toBe(6);
    const plain = packet(3, 2);
    plain.fill(0, 0, PACKET_HEADER);
    x.port.sendPacket(plain);
    expect(z.received.at(-1)).toEqual(plain.subarray(PACKET_HEADER));
  });

  it("come with all their frames or not at all, and not with a header that lies", () => {
    const { join } = setUp();
    const [x, z] = [join(), join()];
    z.port.send(frame(X, Z));
    z.member.backlog = MAX_BACKLOG_BYTES - 3161;
    expect(x.port.sendPacket(packet(3, 1))).toBe(false);
    z.member.backlog = MAX_BACKLOG_BYTES - 3162;
    expect(x.port.sendPacket(packet(3, 1))).toBe(true);
    expect(z.received.length).toBe(3);
    const lie = packet(3, 1);
    lie.fill(0xff, 6, 10);
    expect(x.port.sendPacket(lie)).toBe(true);
    expect(x.port.sendPacket(lie.subarray(0, 20))).toBe(true);
    expect(x.port.stats.refusedFrames).toBe(2);
    expect(z.received.length).toBe(3);
  });
});

describe("limits", () => {
  it("refuses frames that are too short, too long or from a group address", () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    a.port.send(new Uint8Array(ETHERNET_HEADER - 1));
    a.port.send(frame(B, A, MAX_FRAME + 1));
    a.port.send(frame(B, BROADCAST_MAC));
    expect(a.port.stats.refusedFrames).toBe(3);
    a.port.send(frame(B, A, MAX_FRAME));
    a.port.send(frame(B, A, ETHERNET_HEADER));
    expect(b.received.length).toBe(2);
  });

  it("drops frames for a member that does not keep up, and says so", () => {
    const { join } = setUp();
    const [a, b] = [join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    b.member.backlog = MAX_BACKLOG_BYTES - 60;
    expect(a.port.send(frame(B, A))).toBe(true);
    b.member.backlog += 1;
    expect(a.port.send(frame(B, A))).toBe(false);
    expect(b.port.stats.droppedFrames).toBe(1);
    expect(b.received.length).toBe(1);
  });

  it("forgets addresses that were silent for long", () => {
    const { join, clock } = setUp();
    const [a, b, c] = [join(), join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    clock.advance(MAC_AGE_MS);
    a.port.send(frame(B, A));
    expect(c.received.length).toBe(1);
    clock.advance(1);
    a.port.send(frame(B, A));
    expect(c.received.length).toBe(2);
  });

  it("remembers few addresses of one member, and those of others all the same", () => {
    const { join, fabric } = setUp();
    const [a, b] = [join(), join()];
    b.port.send(frame(BROADCAST_MAC, B));
    for (let i = 0; i < 1000; i += 1) a.port.send(frame(B, 0x5254_0001_0000 + i));
    const addresses = fabric.addresses("lan");
    expect(addresses.length).toBe(MAX_MACS_PER_PORT + 1);
    expect(addresses).toContain("52:54:00:00:00:0b");
    expect(addresses).toContain("52:54:00:01:03:e7");
  });
});
