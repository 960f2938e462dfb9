import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readU16, readU32 } from "./bytes.ts";
import { addWords, finishChecksum } from "./checksum.ts";
import { longestFrame, toFrames } from "./frames.ts";
import {
  GSO_SIZE_MIN,
  GsoType,
  LARGE_FRAME_MAX,
  PACKET_HEADER,
  PacketLayout,
  packetFault,
  writeHeader,
} from "./header.ts";
import { type PacketOptions, packetOf, payloadOf, tcpPacket } from "./testing/packets.ts";

function framesOf(packet: Uint8Array<ArrayBuffer>): Uint8Array[] {
  const layout = new PacketLayout();
  expect(packetFault(packet, layout)).toBeUndefined();
  const longest = longestFrame(packet, layout);
  const frames: Uint8Array[] = [];
  toFrames(packet, layout, {
    // Not cleared, as the sink may do it.
    allocate: (length) => new Uint8Array(length).fill(0xee),
    emit: (frame) => frames.push(frame.slice()),
  });
  expect(Math.max(...frames.map((frame) => frame.length))).toBe(longest);
  return frames;
}

/** Whether IP lengths and all checksums are right; what the frame carries. */
function checked(frame: Uint8Array, { ipv6, udp, vlan, options }: PacketOptions = {}) {
  const network = 14 + (vlan ? 4 : 0);
  const transport = network + (ipv6 ? 40 : 20);
  const length = frame.length - transport;
  if (ipv6) {
    expect(readU16(frame, network + 4)).toBe(length);
  } else {
    expect(readU16(frame, network + 2)).toBe(frame.length - network);
    expect(finishChecksum(addWords(0, frame, network, transport))).toBe(0);
  }
  const [from, to] = ipv6 ? [network + 8, network + 40] : [network + 12, network + 20];
  const pseudo = addWords((udp ? 17 : 6) + length, frame, from, to);
  expect(finishChecksum(addWords(pseudo, frame, transport, frame.length))).toBe(0);
  const payload = transport + (udp ? 8 : 20 + (options ?? 0));
  return {
    id: readU16(frame, network + 4),
    sequence: readU32(frame, transport + 4),
    flags: frame[transport + 13],
    udpLength: readU16(frame, transport + 4),
    payload: frame.subarray(payload),
  };
}

const join = (parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

describe("segmentation of TCP", () => {
  it("numbers, flags and sums each segment, across the ends of all counters", () => {
    const parts = framesOf(tcpPacket(3500, 1460, { flags: 0x99 })).map((frame) => checked(frame));
    expect(parts.map(({ payload }) => payload.length)).toEqual([1460, 1460, 580]);
    expect(parts.map(({ sequence }) => sequence)).toEqual([0xffff_fff0, 1444, 2904]);
    expect(parts.map(({ id }) => id)).toEqual([0xfffe, 0xffff, 0]);
    // CWR in the first, FIN and PSH in the last.
    expect(parts.map(({ flags }) => flags)).toEqual([0x90, 0x10, 0x19]);
    expect(join(parts.map(({ payload }) => payload))).toEqual(payloadOf(3500));
  });

  it("keeps options, VLAN tags and IPv6 headers", () => {
    fc.assert(
      fc.property(
        fc.record({
          ipv6: fc.boolean(),
          vlan: fc.boolean(),
          options: fc.constantFrom(0, 12, 40),
          length: fc.integer({ min: 1, max: 9000 }),
          size: fc.integer({ min: GSO_SIZE_MIN, max: 3000 }),
        }),
        ({ length, size, ...options }) => {
          const parts = framesOf(tcpPacket(length, size, options)).map((f) => checked(f, options));
          expect(join(parts.map(({ payload }) => payload))).toEqual(payloadOf(length));
          expect(parts.length).toBe(Math.ceil(length / size));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("takes the largest packet", () => {
    const headers = 14 + 20 + 20;
    const frames = framesOf(tcpPacket(65_535 - 40, 1460));
    expect(frames.reduce((sum, frame) => sum + frame.length - headers, 0)).toBe(65_495);
  });
});

describe("UDP", () => {
  it("is segmented into datagrams", () => {
    for (const ipv6 of [false, true]) {
      const header = { gsoType: GsoType.UDP_L4, gsoSize: 1000 };
      const options = { udp: true, ipv6 };
      const frames = framesOf(packetOf(payloadOf(2500), header, options));
      const parts = frames.map((frame) => checked(frame, options));
      expect(parts.map(({ udpLength }) => udpLength)).toEqual([1008, 1008, 508]);
      expect(join(parts.map(({ payload }) => payload))).toEqual(payloadOf(2500));
    }
  });

  it("is fragmented by IPv4", () => {
    const header = { gsoType: GsoType.UDP, gsoSize: 1483 };
    const frames = framesOf(packetOf(payloadOf(3000), header, { udp: true }));
    expect(frames.map((frame) => frame.length - 34)).toEqual([1480, 1480, 48]);
    expect(frames.map((frame) => readU16(frame, 20))).toEqual([0x2000, 0x2000 | 185, 370]);
    for (const frame of frames) {
      expect(readU16(frame, 16)).toBe(frame.length - 14);
      expect(finishChecksum(addWords(0, frame, 14, 34))).toBe(0);
    }
    const datagram = join(frames.map((frame) => frame.subarray(34)));
    const sum = addWords(17 + datagram.length, frames[0], 26, 34);
    expect(finishChecksum(addWords(sum, datagram, 0, datagram.length))).toBe(0);
    expect(datagram.subarray(8)).toEqual(payloadOf(3000));
  });

  it("is fragmented by IPv6 with a header of its own", () => {
    const header = { gsoType: GsoType.UDP, gsoSize: 1448 };
    const frames = framesOf(packetOf(payloadOf(2000), header, { udp: true, ipv6: true }));
    expect(frames.map((frame) => frame.length - 62)).toEqual([1448, 560]);
    for (const frame of frames) {
      expect(readU16(frame, 18)).toBe(frame.length - 54);
      expect([frame[20], frame[54]]).toEqual([44, 17]);
    }
    expect(frames.map((frame) => readU16(frame, 56))).toEqual([1, 1448]);
    expect(readU32(frames[0], 58)).toBe(readU32(frames[1], 58));
    expect(join(frames.map((f) => f.subarray(62))).subarray(8)).toEqual(payloadOf(2000));
  });
});

describe("a packet that is one frame", () => {
  it("gets its checksum", () => {
    for (const options of [{}, { udp: true }, { ipv6: true }, { udp: true, ipv6: true }]) {
      const [frame, ...others] = framesOf(packetOf(payloadOf(99), {}, options));
      expect(others).toEqual([]);
      if (options.ipv6) checked(frame, options);
      expect(frame.subarray(-99)).toEqual(payloadOf(99));
    }
  });

  it("is left alone when nothing is to be done", () => {
    const packet = packetOf(payloadOf(99), { flags: 0 });
    expect(framesOf(packet)).toEqual([packet.slice(PACKET_HEADER)]);
  });
});

describe("a header that lies", () => {
  const faultOf = (packet: Uint8Array) => packetFault(packet, new PacketLayout());
  const good = () => tcpPacket(3000, 1460);

  it("about its checksum", () => {
    const frame = packetOf(payloadOf(10), {});
    const length = frame.length - PACKET_HEADER;
    for (const [csumStart, csumOffset, isGood] of [
      [14, 0, true],
      [13, 0, false],
      [length - 2, 0, true],
      [length - 1, 0, false],
      [34, length - 36, true],
      [34, length - 35, false],
      [0xffff, 0xffff, false],
    ] as const) {
      writeHeader(frame, { flags: 1, csumStart, csumOffset });
      expect(faultOf(frame) === undefined).toBe(isGood);
    }
  });

  it("about its segments", () => {
    const csum = { flags: 1, csumStart: 34, csumOffset: 16 };
    const tcp = { gsoType: GsoType.TCPV4, gsoSize: 1460 };
    const write = (fields: object) => {
      const packet = good();
      writeHeader(packet, { ...csum, ...tcp, ...fields });
      return faultOf(packet);
    };
    expect(write({})).toBeUndefined();
    // A length that is no more than a hint.
    expect(write({ hdrLen: 0xffff })).toBeUndefined();
    expect(write({ gsoType: GsoType.TCPV4 | 0x80 })).toBeUndefined();
    expect(write({ gsoSize: GSO_SIZE_MIN })).toBeUndefined();
    expect(write({ flags: 0 })).toMatch(/without a checksum/);
    expect(write({ gsoSize: 0 })).toMatch(/next to nothing/);
    expect(write({ gsoSize: GSO_SIZE_MIN - 1 })).toMatch(/next to nothing/);
    for (const gsoType of [2, GsoType.UDP, GsoType.TCPV6, GsoType.UDP_L4, 0x7f]) {
      expect(write({ gsoType })).toMatch(/not of the kind/);
    }
    expect(write({ csumStart: 35 })).toMatch(/not the segments/);
    expect(write({ csumOffset: 6 })).toMatch(/not the segments/);
  });

  it("about its packet", () => {
    const change = (at: number, ...bytes: number[]) => {
      const packet = good();
      packet.set(bytes, PACKET_HEADER + at);
      return faultOf(packet);
    };
    expect(change(14, 0x44)).toMatch(/no TCP/);
    expect(change(14, 0x4f)).toMatch(/not the segments|no TCP/);
    expect(change(14, 0x65)).toMatch(/no TCP/);
    expect(change(16, 0, 40)).toMatch(/no TCP/);
    expect(change(20, 0x20, 0)).toMatch(/no TCP/);
    expect(change(20, 0x00, 1)).toMatch(/no TCP/);
    expect(change(23, 1)).toMatch(/no TCP/);
    expect(change(46, 0x40)).toMatch(/no TCP/);
    expect(change(12, 0x08, 0x06)).toMatch(/no TCP/);
    expect(faultOf(tcpPacket(0, 1460))).toMatch(/no payload/);
    expect(faultOf(new Uint8Array(PACKET_HEADER + 13))).toMatch(/too short/);
    expect(faultOf(new Uint8Array(PACKET_HEADER + LARGE_FRAME_MAX + 1))).toMatch(/too long/);
    expect(faultOf(new Uint8Array(PACKET_HEADER + LARGE_FRAME_MAX))).toBeUndefined();
  });

  it("never makes a frame of more than its bytes, nor throws", () => {
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 60 });
    fc.assert(
      fc.property(
        fc.record({ ipv6: fc.boolean(), udp: fc.boolean(), vlan: fc.boolean() }),
        fc.integer({ min: 0, max: 300 }),
        bytes,
        fc.nat(70),
        fc.constantFrom(0, 1, 3, 4, 5),
        (options, length, noise, at, gsoType) => {
          const packet = packetOf(payloadOf(length), { gsoType, gsoSize: 20 }, options);
          if (at < packet.length) packet.set(noise.subarray(0, packet.length - at), at);
          const layout = new PacketLayout();
          if (packetFault(packet, layout) !== undefined) return;
          let frames = 0;
          toFrames(packet, layout, {
            allocate: (size) => new Uint8Array(size),
            emit: (frame) => {
              frames++;
              expect(frame.length).toBeLessThanOrEqual(packet.length - PACKET_HEADER + 8);
            },
          });
          expect(frames).toBeLessThanOrEqual(1 + packet.length / GSO_SIZE_MIN);
        },
      ),
      { numRuns: 500 },
    );
  });
});
