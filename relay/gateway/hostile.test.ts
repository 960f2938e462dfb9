/** Frames that no honest guest sends: nothing may fail, and nothing may be kept. */
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { addWords, finishChecksum, pseudoHeaderSum } from "../../src/packet/checksum.ts";
import { GUEST_ADDRESS, GUEST_MAC } from "../testing/guest.ts";
import { Rig, tcpServer } from "../testing/rig.ts";
import { ETHERNET_HEADER, EtherType, writeEthernet } from "../wire/ethernet.ts";
import { IPV4_HEADER, IpProtocol, parseAddress, WHOLE, writeIpv4 } from "../wire/ipv4.ts";
import { TCP_HEADER, writeTcp } from "../wire/tcp.ts";
import { DNS_ADDRESS, GATEWAY_ADDRESS, GATEWAY_MAC } from "./network.ts";

let rig: Rig | undefined;
afterEach(() => rig?.close());

/** A frame whose outer layers are right, so that the inner ones are reached. */
function wrapped(protocol: number, destination: number, payload: Uint8Array): Uint8Array {
  const at = ETHERNET_HEADER + IPV4_HEADER;
  const frame = new Uint8Array(at + payload.length);
  frame.set(payload, at);
  writeEthernet(frame, GATEWAY_MAC, GUEST_MAC, EtherType.ipv4);
  const between = { source: GUEST_ADDRESS, destination };
  writeIpv4(frame, ETHERNET_HEADER, protocol, between, WHOLE);
  const checksumAt = { [IpProtocol.tcp]: 16, [IpProtocol.udp]: 6, [IpProtocol.icmp]: 2 }[protocol];
  if (checksumAt !== undefined && payload.length >= checksumAt + 2) {
    const isIcmp = protocol === IpProtocol.icmp;
    const { source } = between;
    const sum = isIcmp ? 0 : pseudoHeaderSum(source, destination, protocol, payload.length);
    frame[at + checksumAt] = 0;
    frame[at + checksumAt + 1] = 0;
    const checksum = finishChecksum(addWords(sum, frame, at, frame.length));
    frame[at + checksumAt] = checksum >>> 8;
    frame[at + checksumAt + 1] = checksum;
  }
  return frame;
}

const anything = fc.uint8Array({ maxLength: 200 });
const destinations = fc.constantFrom(
  GATEWAY_ADDRESS,
  DNS_ADDRESS,
  parseAddress("10.0.2.255")!,
  parseAddress("255.255.255.255")!,
  parseAddress("192.168.0.1")!,
);
/** Small numbers in the header, so that ports and lengths are often meaningful ones. */
const segment = fc
  .tuple(fc.constantFrom(53, 67, 68, 80), fc.constantFrom(53, 67, 80, 9), anything)
  .map(([from, to, rest]) => Uint8Array.of(from >>> 8, from, to >>> 8, to, ...rest));

const frames = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  anything.map((bytes) => {
    const frame = new Uint8Array(ETHERNET_HEADER + bytes.length);
    writeEthernet(frame, GATEWAY_MAC, GUEST_MAC, bytes.length % 2 ? EtherType.arp : EtherType.ipv4);
    frame.set(bytes, ETHERNET_HEADER);
    return frame;
  }),
  fc
    .tuple(fc.constantFrom(1, 6, 17, 41), destinations, segment)
    .map(([protocol, destination, payload]) => wrapped(protocol, destination, payload)),
);

it("handles any frames without a fault, and opens nothing for them", () => {
  const made = new Rig();
  rig = made;
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 20 }), (list) => {
      for (const frame of list) made.guest.sendFrame(frame);
      const after = made.gateway.stats;
      expect(after.faults).toBe(0);
      expect(after.openTcp + after.openUdp).toBe(0);
    }),
    { numRuns: 500 },
  );
});

it("handles any segments of a connection without a fault", async () => {
  const server = await tcpServer((socket) => socket.pipe(socket));
  const made = new Rig({ allow: [`host:${server.port}`] });
  rig = made;
  made.onClose(() => server.close());
  const fields = fc.record({
    sequence: fc.integer({ min: 990, max: 1020 }),
    acknowledgment: fc.integer({ min: 0, max: 0xffff_ffff }),
    flags: fc.nat(63),
    window: fc.constantFrom(0, 1, 65_535),
    options: fc.uint8Array({ maxLength: 40 }).filter((bytes) => bytes.length % 4 === 0),
    payload: fc.uint8Array({ maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fields, { maxLength: 12 }), fc.nat(3), async (list, port) => {
      for (const { payload, ...header } of list) {
        const bytes = new Uint8Array(TCP_HEADER + header.options.length + payload.length);
        bytes.set(payload, TCP_HEADER + header.options.length);
        const ports = { sourcePort: port, destinationPort: server.port };
        const between = { source: GUEST_ADDRESS, destination: GATEWAY_ADDRESS };
        writeTcp(bytes, 0, ports, header, between);
        made.guest.sendIpv4(GATEWAY_ADDRESS, IpProtocol.tcp, bytes);
      }
      await new Promise((resolve) => setImmediate(resolve));
      expect(made.gateway.stats.faults).toBe(0);
      expect(made.gateway.stats.openTcp).toBeLessThanOrEqual(4);
    }),
    { numRuns: 500 },
  );
});
