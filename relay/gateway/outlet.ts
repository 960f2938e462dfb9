/** The gateway's way out to the LAN: wraps payloads in IPv4 and Ethernet. */
import type { LanPort } from "../lan.ts";
import { ARP_LENGTH, type ArpPacket, writeArp } from "../wire/arp.ts";
import { ETHERNET_HEADER, EtherType, type MacAddress, writeEthernet } from "../wire/ethernet.ts";
import { buildIcmp, IcmpType, quoteForIcmp } from "../wire/icmp.ts";
import { IPV4_HEADER, type IpAddress, IpProtocol, writeIpv4 } from "../wire/ipv4.ts";
import { TCP_HEADER, writeTcp } from "../wire/tcp.ts";
import { buildUdp, type Endpoints } from "../wire/udp.ts";
import { GATEWAY_ADDRESS, GATEWAY_MAC, MTU } from "./network.ts";
import type { OutgoingSegment } from "./tcp/connection.ts";

/** Parts of a datagram start at multiples of 8 bytes. */
const FRAGMENT_BYTES = Math.floor((MTU - IPV4_HEADER) / 8) * 8;

/** A packet as an ICMP error quotes it. */
export interface Offender {
  readonly source: IpAddress;
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

export interface UdpPorts {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export class Outlet {
  readonly #port: LanPort;
  #identification = 0;

  constructor(port: LanPort) {
    this.#port = port;
  }

  sendArp(to: MacAddress, packet: ArpPacket): void {
    const frame = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
    writeEthernet(frame, { destination: to, source: GATEWAY_MAC, etherType: EtherType.arp });
    writeArp(frame, ETHERNET_HEADER, packet);
    this.#port.send(frame);
  }

  sendUdp(to: MacAddress, between: Endpoints, ports: UdpPorts, payload: Uint8Array): void {
    this.#sendIpv4(to, between, IpProtocol.udp, buildUdp({ ...ports, payload }, between));
  }

  sendEchoReply(
    to: MacAddress,
    between: Endpoints,
    echo: { readonly identifier: number; readonly sequence: number; readonly data: Uint8Array },
  ): void {
    const message = buildIcmp({ type: IcmpType.echoReply, code: 0, ...echo });
    this.#sendIpv4(to, between, IpProtocol.icmp, message);
  }

  /** Tells the sender of a packet what became of it. */
  sendIcmpError(to: MacAddress, offender: Offender, type: number, code: number): void {
    const data = quoteForIcmp(offender.header, offender.payload);
    const message = buildIcmp({ type, code, identifier: 0, sequence: 0, data });
    const between = { source: GATEWAY_ADDRESS, destination: offender.source };
    this.#sendIpv4(to, between, IpProtocol.icmp, message);
  }

  /** Sends a segment; false when the LAN had no room for it. */
  sendTcp(to: MacAddress, between: Endpoints, ports: UdpPorts, segment: OutgoingSegment): boolean {
    const segmentLength = TCP_HEADER + segment.options.length + segment.length;
    const payloadAt = ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER + segment.options.length;
    // Every byte is written below, so the memory need not be cleared first.
    const frame = Buffer.allocUnsafe(payloadAt + segment.length);
    segment.fill(frame, payloadAt);
    writeTcp(frame, ETHERNET_HEADER + IPV4_HEADER, { ...ports, ...segment }, between);
    this.#writeHeaders(frame, to, between, IpProtocol.tcp, segmentLength);
    return this.#port.send(frame);
  }

  #sendIpv4(to: MacAddress, between: Endpoints, protocol: number, payload: Uint8Array): void {
    const at = ETHERNET_HEADER + IPV4_HEADER;
    if (payload.length <= MTU - IPV4_HEADER) {
      const frame = new Uint8Array(at + payload.length);
      frame.set(payload, at);
      this.#writeHeaders(frame, to, between, protocol, payload.length);
      this.#port.send(frame);
      return;
    }
    this.#identification = (this.#identification + 1) & 0xffff;
    for (let start = 0; start < payload.length; start += FRAGMENT_BYTES) {
      const part = payload.subarray(start, start + FRAGMENT_BYTES);
      const frame = new Uint8Array(at + part.length);
      frame.set(part, at);
      this.#writeHeaders(frame, to, between, protocol, part.length, {
        fragmentOffset: start,
        moreFragments: start + part.length < payload.length,
      });
      this.#port.send(frame);
    }
  }

  #writeHeaders(
    frame: Uint8Array,
    to: MacAddress,
    between: Endpoints,
    protocol: number,
    payloadLength: number,
    part?: { readonly fragmentOffset: number; readonly moreFragments: boolean },
  ): void {
    writeEthernet(frame, { destination: to, source: GATEWAY_MAC, etherType: EtherType.ipv4 });
    writeIpv4(frame, ETHERNET_HEADER, {
      ...between,
      protocol,
      payloadLength,
      // A packet that must not be fragmented needs no identification (RFC 6864 4.1).
      identification: part === undefined ? 0 : this.#identification,
      ...part,
    });
  }
}
