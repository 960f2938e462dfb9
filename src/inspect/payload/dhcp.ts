/** DHCP (RFC 2131, options of RFC 2132). */
import { IPV4_BYTES, ipv4Text, MAC_BYTES, macText } from "./addresses.ts";
import type { Tell } from "./field.ts";
import { hex, named, nameOf, namesOf } from "./names.ts";
import type { PayloadReader } from "./reader.ts";

const DhcpOption = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DNS_SERVER: 6,
  HOST_NAME: 12,
  DOMAIN_NAME: 15,
  MTU: 26,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  MESSAGE_TYPE: 53,
  SERVER_ID: 54,
  PARAMETER_LIST: 55,
  CLIENT_ID: 61,
  END: 255,
} as const;

const MESSAGES = namesOf({
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
});

const OPTIONS = namesOf(DhcpOption);

const ADDRESSES: readonly number[] = [
  DhcpOption.SUBNET_MASK,
  DhcpOption.ROUTER,
  DhcpOption.DNS_SERVER,
  DhcpOption.REQUESTED_ADDRESS,
  DhcpOption.SERVER_ID,
];
const TEXTS: readonly number[] = [DhcpOption.HOST_NAME, DhcpOption.DOMAIN_NAME];

/** Room for a hardware address, a server's name and a file's. */
const CHADDR_BYTES = 16;
const SNAME_BYTES = 64;
const FILE_BYTES = 128;

export function readDhcp(reader: PayloadReader, tell: Tell): string {
  let summary =
    reader.u8("op", named(namesOf({ REQUEST: 1, REPLY: 2 }))) === 2 ? "reply" : "request";
  reader.u8("htype");
  reader.u8("hlen");
  reader.u8("hops");
  reader.be32("xid", hex);
  reader.be16("secs");
  reader.be16("flags", hex);
  reader.bytes("ciaddr", IPV4_BYTES, ipv4Text);
  const yours = ipv4Text(reader.bytes("yiaddr", IPV4_BYTES, ipv4Text));
  reader.bytes("siaddr", IPV4_BYTES, ipv4Text);
  reader.bytes("giaddr", IPV4_BYTES, ipv4Text);
  reader.bytes("chaddr", CHADDR_BYTES, (bytes) => macText(bytes.subarray(0, MAC_BYTES)));
  reader.text("sname", SNAME_BYTES);
  reader.text("file", FILE_BYTES);
  reader.be32("magic cookie", hex);
  reader.listToEnd(() => {
    const kind = reader.peek(0);
    if (kind === DhcpOption.PAD || kind === DhcpOption.END) {
      reader.u8("option", named(OPTIONS));
      if (kind === DhcpOption.END) reader.rest("padding");
      return;
    }
    reader.group("option", () => {
      const code = reader.u8("code", named(OPTIONS));
      const length = reader.u8("length");
      const value = readOption(reader, code, length);
      if (code === DhcpOption.MESSAGE_TYPE) {
        summary = yours === "0.0.0.0" ? value : `${value} ${yours}`;
        tell(summary);
      }
      return `${named(OPTIONS)(code)} ${value}`.trimEnd();
    });
  });
  return summary;
}

function readOption(reader: PayloadReader, code: number, length: number): string {
  if (code === DhcpOption.MESSAGE_TYPE && length === 1) {
    return nameOf(MESSAGES, reader.u8("type", named(MESSAGES)));
  }
  if (code === DhcpOption.LEASE_TIME && length === 4) return `${reader.be32("seconds")} s`;
  if (code === DhcpOption.MTU && length === 2) return String(reader.be16("bytes"));
  if (TEXTS.includes(code)) return JSON.stringify(reader.text("text", length));
  if (ADDRESSES.includes(code) && length % IPV4_BYTES === 0) {
    const addresses: string[] = [];
    reader.list(length / IPV4_BYTES, () => {
      addresses.push(ipv4Text(reader.bytes("address", IPV4_BYTES, ipv4Text)));
    });
    return addresses.join(" ");
  }
  reader.data("value", length);
  return "";
}
