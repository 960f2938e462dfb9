/** Ethernet frames (IEEE 802.3) with VLAN tags (802.1Q) and ARP (RFC 826). */
import { EtherType, VLAN_TAGS_MAX } from "../../packet/header.ts";
import { IPV4_BYTES, ipv4Text, MAC_BYTES, macText } from "./addresses.ts";
import type { Tell } from "./field.ts";
import { readIpv4, readIpv6 } from "./ip.ts";
import { hex, named, namesOf } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

const ARP = 0x0806;

const ETHER_TYPES = named(namesOf({ ...EtherType, ARP }), hex);

const VLAN_TYPES: readonly number[] = [EtherType.VLAN, EtherType.SERVICE_VLAN];
const VLAN_ID = 0xfff;

const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;

/** A frame and all that is in it, to the end of the bytes. */
export function readFrame(reader: PayloadReader, tell: Tell): void {
  let type = 0;
  reader.group("Ethernet", () => {
    const target = macText(reader.bytes("destination", MAC_BYTES, macText));
    const source = macText(reader.bytes("source", MAC_BYTES, macText));
    tell(`Ethernet ${source} → ${target}`);
    type = reader.be16("type", ETHER_TYPES);
    for (let tags = 0; tags < VLAN_TAGS_MAX && VLAN_TYPES.includes(type); tags++) {
      reader.be16("tag", (tag) => `VLAN ${tag & VLAN_ID}, priority ${tag >>> 13}`);
      type = reader.be16("type", ETHER_TYPES);
    }
    tell(`Ethernet ${source} → ${target} ${ETHER_TYPES(type)}`);
    return `${source} → ${target}`;
  });
  if (type === EtherType.IPV4) readIpv4(reader, tell);
  else if (type === EtherType.IPV6) readIpv6(reader, tell);
  else if (type === ARP) reader.group("ARP", () => readArp(reader, tell));
  reader.rest("data");
}

/** Of IPv4 over Ethernet, as all that anybody uses is. */
function readArp(reader: PayloadReader, tell: Tell): string {
  reader.be16("hardware type");
  reader.be16("protocol type", ETHER_TYPES);
  reader.u8("hardware length");
  reader.u8("protocol length");
  const operation = reader.be16("operation", named(namesOf(ArpOperation)));
  const senderMac = macText(reader.bytes("sender hardware address", MAC_BYTES, macText));
  const sender = ipv4Text(reader.bytes("sender protocol address", IPV4_BYTES, ipv4Text));
  reader.bytes("target hardware address", MAC_BYTES, macText);
  const target = ipv4Text(reader.bytes("target protocol address", IPV4_BYTES, ipv4Text));
  const isReply = operation === ArpOperation.REPLY;
  const summary = isReply ? `${sender} is at ${senderMac}` : `who has ${target}? tell ${sender}`;
  tell(`ARP ${summary}`);
  return summary;
}
