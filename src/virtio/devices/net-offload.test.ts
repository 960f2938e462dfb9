import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GsoType, PACKET_HEADER, writeHeader } from "../../packet/header.ts";
import { packetOf, payloadOf, tcpPacket } from "../../packet/testing/packets.ts";
import { bit, Feature } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { NetDevice } from "./net.ts";
import { NetFeature } from "./net-spec.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const without = (...features: number[]) =>
  features.reduce((set, feature) => set & ~bit(feature), -1n);
const udp = (gsoType: number, ipv6 = false) =>
  packetOf(payloadOf(3000), { gsoType, gsoSize: 1000 }, { udp: true, ipv6 });

function create(accept = -1n, takesPackets = false, mtu = 1500) {
  const sent: Uint8Array[] = [];
  const backend = {
    takesPackets,
    full: false,
    send(bytes: Uint8Array) {
      sent.push(bytes.slice());
      return !backend.full;
    },
  };
  const device = new NetDevice("net0", backend, { mac: MAC, queuePairs: 1, mtu });
  const driver = new TestDriver(device, { ramSize: 4 << 20 }).start({ accept });
  const [rx, tx, control] = driver.splitQueues;
  const transmit = (packet: Uint8Array) => {
    sent.length = 0;
    tx.add([packet], []);
    tx.kick();
    expect(tx.poll()).toHaveLength(1);
    return sent.map((bytes) => bytes.length);
  };
  /** What a guest with buffers of 2 KiB sees: header and frame of each packet. */
  const receive = (packet: Uint8Array) => {
    const [rx] = driver.splitQueues;
    const requests = Array.from({ length: 8 }, () => rx.add([], [2048]));
    device.receivePacket(packet.slice());
    const used = rx.poll();
    const packets: Uint8Array[] = [];
    for (let i = 0; i < used.length; ) {
      const count = rx.written(requests[i])[10];
      const parts = requests
        .slice(i, i + count)
        .map((request, k) => rx.written(request).subarray(0, used[i + k].length));
      packets.push(Uint8Array.from(parts.flatMap((part) => [...part])));
      i += count;
    }
    device.reset();
    driver.start({ accept });
    return packets;
  };
  return { device, driver, backend, sent, rx, tx, control, transmit, receive };
}

describe("sending, to a wire of plain frames", () => {
  it("completes checksums", () => {
    const { transmit, sent } = create();
    const packet = packetOf(payloadOf(100), {});
    expect(transmit(packet)).toEqual([154]);
    expect(sent[0].subarray(54)).toEqual(payloadOf(100));
    expect(sent[0].subarray(50, 52)).not.toEqual(packet.subarray(62, 64));
  });

  it("segments TCP and UDP, and fragments IP", () => {
    const { transmit, device } = create();
    expect(transmit(tcpPacket(3000, 1460))).toEqual([1514, 1514, 134]);
    expect(transmit(tcpPacket(3000, 1440, { ipv6: true }))).toEqual([1514, 1514, 194]);
    expect(transmit(udp(GsoType.UDP_L4))).toEqual([1042, 1042, 1042]);
    expect(transmit(udp(GsoType.UDP))).toEqual([1034, 1034, 1034, 42]);
    expect(transmit(udp(GsoType.UDP, true))).toEqual([1062, 1062, 1062, 70]);
    expect(device.counters()).toMatchObject({ sent: 5, sentLarge: 5, sendDropped: 0 });
  });

  it("sends all of a packet to a backend that is full in its midst, and then waits", () => {
    const { backend, tx, sent, device } = create();
    backend.full = true;
    for (let i = 0; i < 2; i++) tx.add([tcpPacket(3000, 1460)], []);
    tx.kick();
    expect([sent.length, tx.poll().length]).toEqual([3, 1]);
    device.drain();
    expect([sent.length, tx.poll().length]).toEqual([6, 1]);
  });

  it("takes the largest packet, wherever it is cut", () => {
    const { tx, sent, device } = create();
    const packet = tcpPacket(65_483, 1460);
    const parts = [0, 12, 66, 5000, 70_000].map((at, i, all) => packet.slice(at, all[i + 1]));
    tx.add(
      parts.filter((part) => part.length > 0),
      [],
    );
    tx.kick();
    expect(sent.length).toBe(45);
    expect(device.counters()).toMatchObject({ sentBytes: packet.length - PACKET_HEADER });
  });
});

describe("sending, to a network that takes packets", () => {
  it("hands them over as they are, with a header of known fields only", () => {
    const { transmit, sent } = create(-1n, true);
    const packet = tcpPacket(3000, 1460);
    packet[0] |= 0xf0;
    packet.fill(0xff, 2, 4);
    packet.fill(0xff, 10, 12);
    transmit(packet);
    const clean = tcpPacket(3000, 1460);
    clean[2] = 54;
    expect(sent).toEqual([clean]);
  });

  it("puts an empty header in front for a driver without CSUM, whatever that left there", () => {
    const offloads = Object.values(NetFeature).filter(
      (f) => f <= 1 || (f >= 7 && f <= 14) || f >= 54,
    );
    const accept = without(...offloads.filter((f) => f !== NetFeature.SPEED_DUPLEX));
    const { transmit, sent } = create(accept, true);
    const packet = tcpPacket(1000, 100);
    transmit(packet);
    packet.fill(0, 0, PACKET_HEADER);
    expect(sent).toEqual([packet]);
  });

  it("has a header of 10 bytes for a driver without VERSION_1 and MRG_RXBUF", () => {
    const { transmit, sent } = create(without(Feature.VERSION_1, NetFeature.MRG_RXBUF), true);
    const packet = tcpPacket(3000, 1460, {});
    packet[2] = 54;
    transmit(Uint8Array.from([...packet.subarray(0, 10), ...packet.subarray(12)]));
    expect(sent).toEqual([packet]);
  });
});

describe("sending what the driver may not", () => {
  it("drops kinds that were not negotiated", () => {
    const { HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO, HOST_USO } = NetFeature;
    const ecn = tcpPacket(3000, 1460);
    ecn[1] |= 0x80;
    for (const [features, packet] of [
      [[HOST_TSO4], tcpPacket(3000, 1460)],
      [[HOST_TSO6], tcpPacket(3000, 1440, { ipv6: true })],
      [[HOST_ECN], ecn],
      [[HOST_UFO], udp(GsoType.UDP)],
      [[HOST_USO], udp(GsoType.UDP_L4)],
    ] as const) {
      expect(create().transmit(packet).length).toBeGreaterThan(2);
      expect(create(without(...features)).transmit(packet)).toEqual([]);
    }
  });

  it("drops segments beyond the MTU, and frames without segmentation too", () => {
    const { transmit, device } = create();
    expect(transmit(tcpPacket(3000, 1465))).toEqual([]);
    expect(transmit(udp(GsoType.UDP_L4)).length).toBe(3);
    expect(create(-1n, false, 1000).transmit(udp(GsoType.UDP_L4))).toEqual([]);
    expect(transmit(packetOf(payloadOf(1464), {})).length).toBe(1);
    expect(transmit(packetOf(payloadOf(1465), {}))).toEqual([]);
    expect(device.counters()).toMatchObject({ sendDropped: 2 });
  });

  it("gives every chain back, and touches nothing, whatever the header says", () => {
    const { driver, tx, device, sent } = create();
    const header = fc.uint8Array({ minLength: 12, maxLength: 12 });
    const kind = fc.constantFrom(
      tcpPacket(2000, 500),
      tcpPacket(2000, 500, { ipv6: true }),
      udp(GsoType.UDP),
      udp(GsoType.UDP_L4, true),
    );
    const place = fc.nat(80);
    let count = 0;
    fc.assert(
      fc.property(kind, header, fc.boolean(), place, fc.nat(255), (good, bytes, all, at, value) => {
        const packet = good.slice();
        if (all) packet.set(bytes);
        packet[at] = value;
        tx.add([packet], []);
        tx.kick();
        expect(tx.poll()).toHaveLength(1);
        expect(Math.max(0, ...sent.map(({ length }) => length))).toBeLessThanOrEqual(1518);
        sent.length = 0;
        count++;
        const { sent: taken, sendDropped } = device.counters();
        expect(taken + sendDropped).toBe(count);
        return driver.guardsIntact() && tx.usedIdx === count;
      }),
      { numRuns: 400 },
    );
  });
});

describe("receiving packets", () => {
  const headerOf = (packet: Uint8Array) => [...packet.subarray(0, 4)];

  it("passes them on to a driver that takes them", () => {
    const { receive, device } = create();
    for (const packet of [
      tcpPacket(3000, 1460),
      tcpPacket(3000, 1440, { ipv6: true }),
      udp(GsoType.UDP),
      udp(GsoType.UDP_L4),
      udp(GsoType.UDP_L4, true),
    ]) {
      const [got, ...more] = receive(packet);
      expect(more).toEqual([]);
      expect(got.subarray(4, 10)).toEqual(packet.subarray(4, 10));
      expect(got.subarray(12)).toEqual(packet.subarray(12));
      // Flags and kind are the sender's, the headers' length is the true one.
      expect(headerOf(got).slice(0, 2)).toEqual(headerOf(packet).slice(0, 2));
      expect(got[2]).toBeGreaterThanOrEqual(42);
    }
    const [open] = receive(packetOf(payloadOf(100), {}));
    expect(headerOf(open)).toEqual([1, 0, 0, 0]);
    expect(device.counters()).toMatchObject({ receivedLarge: 5, received: 6 });
  });

  it("makes frames of them for one that does not", () => {
    const { GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, GUEST_USO4, GUEST_USO6 } = NetFeature;
    const ecn = tcpPacket(3000, 1460);
    ecn[1] |= 0x80;
    const kinds = [
      [tcpPacket(3000, 1460), 3, GUEST_TSO4],
      [tcpPacket(3000, 1440, { ipv6: true }), 3, GUEST_TSO6],
      [ecn, 3, GUEST_ECN],
      [udp(GsoType.UDP), 4, GUEST_UFO],
      [udp(GsoType.UDP_L4), 3, GUEST_USO4],
      [udp(GsoType.UDP_L4, true), 3, GUEST_USO6],
    ] as const;
    for (const [packet, frames, feature] of kinds) {
      const got = create(without(feature)).receive(packet);
      expect(got.length).toBe(frames);
      for (const each of got) expect(headerOf(each)).toEqual([0, 0, 0, 0]);
      expect(create().receive(packet).length).toBe(1);
    }
    const all = [GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, GUEST_USO4, GUEST_USO6];
    const [closed] = create(without(NetFeature.GUEST_CSUM, ...all)).receive(
      packetOf(payloadOf(100), {}),
    );
    expect(headerOf(closed)).toEqual([0, 0, 0, 0]);
  });

  it("goes by what the driver has turned off and on again", () => {
    const { device, rx, control } = create();
    const set = (offloads: bigint) => {
      const data = new DataView(new ArrayBuffer(10));
      data.setUint8(0, 5);
      data.setBigUint64(2, offloads, true);
      const request = control.add([new Uint8Array(data.buffer)], [1]);
      control.kick();
      return control.written(request)[0];
    };
    const receive = () => {
      for (let i = 0; i < 4; i++) rx.add([], [2048]);
      device.receivePacket(tcpPacket(3000, 1460));
      return rx.poll().map(({ length }) => length);
    };
    expect(receive()).toEqual([2048, 1018]);
    expect(set(bit(NetFeature.GUEST_CSUM))).toBe(0);
    expect(receive()).toEqual([1526, 1526, 146]);
    expect(set(bit(NetFeature.GUEST_CSUM) | bit(NetFeature.GUEST_TSO4))).toBe(0);
    expect(receive()).toEqual([2048, 1018]);
    expect(set(bit(NetFeature.CSUM))).toBe(1);
  });

  it("drops what the network must not send", () => {
    const { device, rx } = create();
    rx.add([], [4096]);
    const lie = tcpPacket(3000, 1460);
    writeHeader(lie, { flags: 1, csumStart: 4000 });
    for (const packet of [lie, new Uint8Array(11), new Uint8Array(25), tcpPacket(3000, 1600)]) {
      device.receivePacket(packet);
    }
    device.receivePacket(packetOf(payloadOf(1465), {}));
    expect(device.counters()).toMatchObject({ received: 0, receiveDropped: 5 });
    expect(rx.poll()).toEqual([]);
  });
});

describe("several queues", () => {
  function pairs(queuePairs: number, accept = -1n) {
    const sent: number[] = [];
    const backend = { takesPackets: false, send: (bytes: Uint8Array) => sent.push(bytes[11]) > 0 };
    const device = new NetDevice("net0", backend, { mac: MAC, queuePairs });
    const driver = new TestDriver(device, { ramSize: 4 << 20 }).start({ accept });
    const queues = driver.splitQueues;
    const use = (count: number) => {
      const control = queues.at(-1)!;
      const request = control.add([Uint8Array.of(4, 0, count, 0)], [1]);
      control.kick();
      return control.written(request)[0];
    };
    return { device, driver, queues, sent, use };
  }
  const flow = (port: number) => {
    const packet = packetOf(payloadOf(10), {});
    packet[PACKET_HEADER + 37] = port;
    return packet;
  };

  it("serve a flow on the pair that it was sent on", () => {
    const { device, queues, sent, use } = pairs(3);
    const [rx0, , rx1, tx1, rx2, tx2] = queues;
    expect(use(3)).toBe(0);
    tx1.add([flow(1)], []);
    tx1.kick();
    tx2.add([flow(2)], []);
    tx2.kick();
    expect(sent.length).toBe(2);
    for (const rx of [rx0, rx1, rx2]) for (let i = 0; i < 3; i++) rx.add([], [200]);
    device.receive(flow(1).subarray(PACKET_HEADER));
    device.receivePacket(flow(2));
    device.receive(new Uint8Array(60));
    const counts = () => [rx0, rx1, rx2].map((rx) => rx.poll().length);
    expect(counts()).toEqual([1, 1, 1]);
    expect(use(1)).toBe(0);
    for (const port of [1, 2]) device.receivePacket(flow(port));
    expect(counts()).toEqual([2, 0, 0]);
  });

  it("lose what waits for one that is not used any more", () => {
    const { device, queues, use } = pairs(2);
    use(2);
    queues[3].add([flow(1)], []);
    queues[3].kick();
    device.receivePacket(flow(1));
    expect(device.counters()).toMatchObject({ receiveWaiting: 1, queuePairs: 2 });
    use(1);
    expect(device.counters()).toMatchObject({ receiveWaiting: 0, receiveDropped: 1 });
  });

  it("have the control queue right after the pair that a driver without MQ knows", () => {
    const { queues } = pairs(2, without(NetFeature.MQ));
    const control = queues[2];
    const request = control.add([Uint8Array.of(0, 0, 0)], [1]);
    control.kick();
    expect(control.written(request)[0]).toBe(0);
    expect(control.poll()).toHaveLength(1);
    for (const other of [queues[3], queues[4]]) {
      other.add([flow(1)], []);
      other.kick();
    }
  });

  it("come back after a save", () => {
    const { driver, device, use } = pairs(2);
    use(2);
    const state = structuredClone(driver.transport.save());
    driver.transport.load(state);
    expect(device.counters()).toMatchObject({ queuePairs: 2 });
  });
});
