/** IPv4 (RFC 791), IPv6 (RFC 8200) and their control messages (RFC 792, 4443, 4861). */
import { IPV6_EXTENSIONS, Protocol } from "../../packet/header.ts";
import { type Ends, IPV4_BYTES, IPV6_BYTES, ipv4Text, ipv6Text } from "./addresses.ts";
import type { Tell } from "./field.ts";
import { flags, hex, named, nameOf, namesOf } from "./names.ts";
import type { PayloadReader } from "./reader.ts";
import { readTcp, readUdp } from "./transport.ts";

const ICMP = 1;
const ICMPV6 = 58;

const PROTOCOLS = named(namesOf({ ...Protocol, ICMP, ICMPV6, IGMP: 2 }));

const IPV4_HEADER = 20;

/** Of the 16 bits with the fragment's offset, which counts in units of 8 bytes. */
const FRAGMENT_FLAGS = flags({ DF: 0x4000, MF: 0x2000 });
const FRAGMENT_OFFSET = 0x1fff;

/** Bytes of an extension header are counted in eights, without the first eight. */
const EXTENSION_UNIT = 8;
const EXTENSIONS_MAX = 8;

const IcmpType = {
  ECHO_REPLY: 0,
  DESTINATION_UNREACHABLE: 3,
  REDIRECT: 5,
  ECHO_REQUEST: 8,
  TIME_EXCEEDED: 11,
} as const;

const Icmpv6Type = {
  DESTINATION_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  MLD_QUERY: 130,
  MLD_REPORT: 131,
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  NEIGHBOR_SOLICITATION: 135,
  NEIGHBOR_ADVERTISEMENT: 136,
  MLDV2_REPORT: 143,
} as const;

const ICMP_NAMES = namesOf(IcmpType);
const ICMPV6_NAMES = namesOf(Icmpv6Type);
const ECHOES: readonly number[] = [IcmpType.ECHO_REPLY, IcmpType.ECHO_REQUEST];
const ECHOES_V6: readonly number[] = [Icmpv6Type.ECHO_REQUEST, Icmpv6Type.ECHO_REPLY];
const NEIGHBORS: readonly number[] = [
  Icmpv6Type.NEIGHBOR_SOLICITATION,
  Icmpv6Type.NEIGHBOR_ADVERTISEMENT,
];

export function readIpv4(reader: PayloadReader, tell: Tell): void {
  let protocol = 0;
  let payload = 0;
  let isLater = false;
  let ends: Ends = { source: "", target: "" };
  reader.group("IPv4", () => {
    const start = reader.position;
    const first = reader.u8("version, header length", (v) => `${v >>> 4}, ${4 * (v & 15)} bytes`);
    const header = Math.max(4 * (first & 15), IPV4_HEADER);
    reader.u8("DSCP, ECN", (value) => `${value >>> 2}, ${value & 3}`);
    const total = reader.be16("total length");
    reader.be16("identification", hex);
    const fragment = reader.be16("fragment", (value) => {
      const offset = 8 * (value & FRAGMENT_OFFSET);
      return `${FRAGMENT_FLAGS(value & ~FRAGMENT_OFFSET)}, offset ${offset}`;
    });
    isLater = (fragment & FRAGMENT_OFFSET) !== 0;
    reader.u8("time to live");
    protocol = reader.u8("protocol", PROTOCOLS);
    reader.be16("header checksum", hex);
    const source = ipv4Text(reader.bytes("source", IPV4_BYTES, ipv4Text));
    const target = ipv4Text(reader.bytes("destination", IPV4_BYTES, ipv4Text));
    reader.data("options", start + header - reader.position);
    payload = Math.max(0, total - header);
    ends = { source, target };
    return endsText(ends);
  });
  tell(`${PROTOCOLS(protocol)} ${endsText(ends)}`);
  // What is behind the packet fills up a frame to its least length.
  reader.within(payload, () => {
    if (isLater) reader.rest("fragment");
    else readProtocol(reader, protocol, ends, tell);
  });
}

export function readIpv6(reader: PayloadReader, tell: Tell): void {
  let protocol = 0;
  let payload = 0;
  let ends: Ends = { source: "", target: "" };
  reader.group("IPv6", () => {
    reader.be32("version, class, flow", (v) => `${v >>> 28}, ${(v >>> 20) & 255}, ${v & 0xfffff}`);
    payload = reader.be16("payload length");
    protocol = reader.u8("next header", PROTOCOLS);
    reader.u8("hop limit");
    const source = ipv6Text(reader.bytes("source", IPV6_BYTES, ipv6Text));
    const target = ipv6Text(reader.bytes("destination", IPV6_BYTES, ipv6Text));
    ends = { source, target };
    return endsText(ends);
  });
  tell(`${PROTOCOLS(protocol)} ${endsText(ends)}`);
  reader.within(payload, () => {
    for (let i = 0; i < EXTENSIONS_MAX && IPV6_EXTENSIONS.includes(protocol); i++) {
      reader.group(`extension ${protocol}`, () => {
        protocol = reader.u8("next header", PROTOCOLS);
        const length = EXTENSION_UNIT * (1 + reader.u8("length"));
        reader.data("options", length - 2);
        return `${length} bytes`;
      });
    }
    readProtocol(reader, protocol, ends, tell);
  });
}

function endsText({ source, target }: Ends): string {
  return `${source} → ${target}`;
}

function readProtocol(reader: PayloadReader, protocol: number, ends: Ends, tell: Tell): void {
  if (protocol === Protocol.TCP) readTcp(reader, ends, tell);
  else if (protocol === Protocol.UDP) readUdp(reader, ends, tell);
  else if (protocol === ICMP) {
    reader.group("ICMP", () => readIcmp(reader, ICMP_NAMES, ECHOES, ends, tell));
  } else if (protocol === ICMPV6) {
    reader.group("ICMPv6", () => readIcmp(reader, ICMPV6_NAMES, ECHOES_V6, ends, tell));
  }
  reader.rest("payload");
}

/** Both versions: they differ in their types. */
function readIcmp(
  reader: PayloadReader,
  names: ReadonlyMap<number, string>,
  echoes: readonly number[],
  ends: Ends,
  tell: Tell,
): string {
  const type = reader.u8("type", named(names));
  reader.u8("code");
  let summary = nameOf(names, type);
  tell(`ICMP ${endsText(ends)} ${summary}`);
  reader.be16("checksum", hex);
  if (echoes.includes(type)) {
    reader.be16("identifier");
    summary += ` ${reader.be16("sequence")}`;
  } else if (names === ICMPV6_NAMES && NEIGHBORS.includes(type)) {
    reader.be32("flags", hex);
    summary += ` ${ipv6Text(reader.bytes("target", IPV6_BYTES, ipv6Text))}`;
  }
  tell(`ICMP ${endsText(ends)} ${summary}`);
  reader.rest("data");
  return summary;
}
