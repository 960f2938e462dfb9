/** Packets for tests, as a driver with offloads hands them over. */
import { writeU16, writeU32 } from "../bytes.ts";
import { addWords } from "../checksum.ts";
import { GsoType, type HeaderFields, HeaderFlag, PACKET_HEADER, writeHeader } from "../header.ts";

export interface PacketOptions {
  readonly ipv6?: boolean;
  readonly udp?: boolean;
  readonly vlan?: boolean;
  /** Bytes of TCP options. */
  readonly options?: number;
  readonly flags?: number;
  readonly sequence?: number;
  /** Destination, and source of the frame: the last byte of each. */
  readonly to?: number;
  readonly from?: number;
}

/** `length` bytes that differ from place to place. */
export function payloadOf(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8)) & 0xff);
}

/** A packet whose transport checksum is left open, with that header in front. */
export function packetOf(
  payload: Uint8Array,
  header: HeaderFields,
  options: PacketOptions = {},
): Uint8Array<ArrayBuffer> {
  const { ipv6 = false, udp = false, vlan = false } = options;
  const network = PACKET_HEADER + 14 + (vlan ? 4 : 0);
  const transport = network + (ipv6 ? 40 : 20);
  const start = transport + (udp ? 8 : 20 + (options.options ?? 0));
  const packet = new Uint8Array(start + payload.length);
  writeLink(packet, options);
  if (ipv6) writeIpv6(packet, network, udp);
  else writeIpv4(packet, network, udp);
  if (udp) writeUdp(packet, transport);
  else writeTcp(packet, transport, options);
  packet.set(payload, start);
  const [addresses, length] = ipv6 ? [network + 8, 32] : [network + 12, 8];
  const sum = addWords(
    (udp ? 17 : 6) + packet.length - transport,
    packet,
    addresses,
    addresses + length,
  );
  writeU16(packet, transport + (udp ? 6 : 16), fold(sum));
  writeHeader(packet, {
    flags: HeaderFlag.NEEDS_CSUM,
    csumStart: transport - PACKET_HEADER,
    csumOffset: udp ? 6 : 16,
    ...header,
  });
  return packet;
}

/** A TCP packet over IPv4 that is to become segments of `size` bytes. */
export function tcpPacket(length: number, size: number, options: PacketOptions = {}) {
  const type = options.ipv6 ? GsoType.TCPV6 : GsoType.TCPV4;
  return packetOf(payloadOf(length), { gsoType: type, gsoSize: size }, options);
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded % 0x1_0000);
  return folded;
}

function writeLink(
  packet: Uint8Array,
  { ipv6 = false, vlan = false, to = 2, from = 1 }: PacketOptions,
) {
  packet.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from], PACKET_HEADER);
  let at = PACKET_HEADER + 12;
  if (vlan) {
    writeU16(packet, at, 0x8100);
    writeU16(packet, at + 2, 5);
    at += 4;
  }
  writeU16(packet, at, ipv6 ? 0x86dd : 0x0800);
}

function writeIpv4(packet: Uint8Array, at: number, udp: boolean): void {
  packet.set([0x45, 0], at);
  writeU16(packet, at + 2, packet.length - at);
  writeU16(packet, at + 4, 0xfffe);
  packet.set([0, 0, 64, udp ? 17 : 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], at + 6);
}

function writeIpv6(packet: Uint8Array, at: number, udp: boolean): void {
  packet.set([0x60, 0, 0, 0], at);
  writeU16(packet, at + 4, packet.length - at - 40);
  packet.set([udp ? 17 : 6, 64], at + 6);
  packet.set([0xfe, 0x80, 1], at + 8);
  packet.set([0xfe, 0x80, 2], at + 24);
}

function writeUdp(packet: Uint8Array, at: number): void {
  writeU16(packet, at, 4000);
  writeU16(packet, at + 2, 5000);
  writeU16(packet, at + 4, packet.length - at);
}

function writeTcp(packet: Uint8Array, at: number, options: PacketOptions): void {
  writeU16(packet, at, 4000);
  writeU16(packet, at + 2, 5000);
  writeU32(packet, at + 4, options.sequence ?? 0xffff_fff0);
  writeU32(packet, at + 8, 77);
  const optionBytes = options.options ?? 0;
  packet[at + 12] = ((20 + optionBytes) / 4) << 4;
  packet[at + 13] = options.flags ?? 0x18;
  writeU16(packet, at + 14, 1000);
  packet.fill(1, at + 20, at + 20 + optionBytes);
}
