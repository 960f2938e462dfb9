/** The gateway's way out to the LAN: wraps payloads in IPv4 and Ethernet. */
import {
  ChecksumOffset,
  GsoType,
  HeaderFlag,
  LARGE_FRAME_MAX,
  PACKET_HEADER,
  writeHeader,
} from "../../src/packet/header.ts";
import type { LanPort } from "../lan.ts";
import { ARP_LENGTH, type ArpPacket, writeArp } from "../wire/arp.ts";
import { ETHERNET_HEADER, EtherType, type MacAddress, writeEthernet } from "../wire/ethernet.ts";
import { buildIcmp, IcmpType, quoteForIcmp } from "../wire/icmp.ts";
import {
  type Endpoints,
  type FragmentFields,
  IPV4_HEADER,
  type IpAddress,
  IpProtocol,
  Ipv4Flag,
  WHOLE,
  writeIpv4,
} from "../wire/ipv4.ts";
import { TCP_HEADER, writeTcp } from "../wire/tcp.ts";
import { buildUdp, type Ports } from "../wire/udp.ts";
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

/**
 * Memory for packets is cut from blocks of this size: one allocation for forty frames of the MTU,
 * or for one of the largest. What waits for a slow member keeps its block and the neighbours.
 */
const SLAB_BYTES = PACKET_HEADER + LARGE_FRAME_MAX;

const TCP_AT = ETHERNET_HEADER + IPV4_HEADER;

export class Outlet {
  readonly #port: LanPort;
  #identification = 0;
  #slab = new ArrayBuffer(0);
  #slabUsed = SLAB_BYTES;

  constructor(port: LanPort) {
    this.#port = port;
  }

  sendArp(to: MacAddress, packet: ArpPacket): void {
    const frame = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
    writeEthernet(frame, to, GATEWAY_MAC, EtherType.arp);
    writeArp(frame, ETHERNET_HEADER, packet);
    this.#port.send(frame);
  }

  sendUdp(to: MacAddress, between: Endpoints, ports: Ports, payload: Uint8Array): void {
    this.#sendIpv4(to, between, IpProtocol.udp, buildUdp(ports, payload, between));
  }

  sendEchoReply(
    to: MacAddress,
    between: Endpoints,
    echo: { readonly identifier: number; readonly sequence: number; readonly data: Uint8Array },
  ): void {
    const message = buildIcmp({ ...echo, type: IcmpType.echoReply, code: 0 });
    this.#sendIpv4(to, between, IpProtocol.icmp, message);
  }

  /** Tells the sender of a packet what became of it. */
  sendIcmpError(to: MacAddress, offender: Offender, type: number, code: number): void {
    const data = quoteForIcmp(offender.header, offender.payload);
    const message = buildIcmp({ type, code, identifier: 0, sequence: 0, data });
    const between = { source: GATEWAY_ADDRESS, destination: offender.source };
    this.#sendIpv4(to, between, IpProtocol.icmp, message);
  }

  /**
   * Sends a segment, which may be a large one of several; false when the LAN had no room for it.
   * Its checksum is left to whoever needs one.
   */
  sendTcp(to: MacAddress, between: Endpoints, ports: Ports, segment: OutgoingSegment): boolean {
    const { length, segmentSize } = segment;
    const payloadAt = TCP_AT + TCP_HEADER + segment.options.length;
    const packet = this.#allocate(PACKET_HEADER + payloadAt + length);
    const frame = packet.subarray(PACKET_HEADER);
    segment.fill(frame, payloadAt);
    writeTcp(frame, TCP_AT, ports, segment, between, false);
    this.#writeHeaders(frame, to, between, IpProtocol.tcp, WHOLE);
    const isLarge = length > segmentSize;
    writeHeader(packet, {
      flags: HeaderFlag.NEEDS_CSUM,
      gsoType: isLarge ? GsoType.TCPV4 : GsoType.NONE,
      hdrLen: payloadAt,
      gsoSize: isLarge ? segmentSize : 0,
      csumStart: TCP_AT,
      csumOffset: ChecksumOffset[IpProtocol.tcp],
    });
    return this.#port.sendPacket(packet);
  }

  /** Memory that is not cleared, for a packet of which every byte is written. */
  #allocate(length: number): Uint8Array {
    if (this.#slabUsed + length > SLAB_BYTES) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES).buffer;
      this.#slabUsed = 0;
    }
    const packet = new Uint8Array(this.#slab, this.#slabUsed, length);
    this.#slabUsed += length;
    return packet;
  }

  #sendIpv4(to: MacAddress, between: Endpoints, protocol: number, payload: Uint8Array): void {
    const at = ETHERNET_HEADER + IPV4_HEADER;
    if (payload.length <= MTU - IPV4_HEADER) {
      const frame = new Uint8Array(at + payload.length);
      frame.set(payload, at);
      this.#writeHeaders(frame, to, between, protocol, WHOLE);
      this.#port.send(frame);
      return;
    }
    this.#identification = (this.#identification + 1) & 0xffff;
    for (let start = 0; start < payload.length; start += FRAGMENT_BYTES) {
      const part = payload.subarray(start, start + FRAGMENT_BYTES);
      const frame = new Uint8Array(at + part.length);
      frame.set(part, at);
      const isLast = start + part.length === payload.length;
      this.#writeHeaders(frame, to, between, protocol, {
        identification: this.#identification,
        fragmentOffset: start,
        flags: isLast ? 0 : Ipv4Flag.moreFragments,
      });
      this.#port.send(frame);
    }
  }

  /** Writes the headers of a frame whose IP payload is there. */
  #writeHeaders(
    frame: Uint8Array,
    to: MacAddress,
    between: Endpoints,
    protocol: number,
    part: FragmentFields,
  ): void {
    writeEthernet(frame, to, GATEWAY_MAC, EtherType.ipv4);
    writeIpv4(frame, ETHERNET_HEADER, protocol, between, part);
  }
}
