/** DHCP messages (RFC 2131 2, options RFC 2132). */
import { readU16, readU32, writeU16, writeU32 } from "../../src/packet/bytes.ts";
import { type MacAddress, readMac, writeMac } from "./ethernet.ts";
import type { IpAddress } from "./ipv4.ts";

export const DhcpPort = { server: 67, client: 68 } as const;

export const DhcpType = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  ack: 5,
  nak: 6,
  release: 7,
  inform: 8,
} as const;

export const DhcpOption = {
  subnetMask: 1,
  router: 3,
  dnsServer: 6,
  hostName: 12,
  domainName: 15,
  interfaceMtu: 26,
  broadcast: 28,
  requestedAddress: 50,
  leaseTime: 51,
  messageType: 53,
  serverIdentifier: 54,
} as const;

const OPTION_PAD = 0;
const OPTION_END = 255;
const OP_REQUEST = 1;
const OP_REPLY = 2;
const HARDWARE_ETHERNET = 1;
const MAC_LENGTH = 6;
const MAGIC_COOKIE = 0x6382_5363;
const FIXED_LENGTH = 236;
const OPTIONS_OFFSET = FIXED_LENGTH + 4;
/** BOOTP relays and old clients want no message shorter than this (RFC 951 3). */
const MIN_LENGTH = 300;

export interface DhcpMessage {
  readonly transaction: number;
  /** Whether the client cannot yet receive unicast. */
  readonly broadcast: boolean;
  /** The address the client has (ciaddr), 0 for none. */
  readonly clientAddress: IpAddress;
  /** The address the server gives (yiaddr), 0 for none. */
  readonly yourAddress: IpAddress;
  readonly mac: MacAddress;
  /** By option code; a code that comes twice keeps its first value. */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/**
 * A client's message, or undefined when it is not a request over Ethernet or an option does not
 * fit. A relay agent's address (giaddr) makes it foreign: there are no relay agents on this LAN.
 */
export function parseDhcpRequest(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < OPTIONS_OFFSET || bytes[0] !== OP_REQUEST) return undefined;
  if (bytes[1] !== HARDWARE_ETHERNET || bytes[2] !== MAC_LENGTH) return undefined;
  if (readU32(bytes, FIXED_LENGTH) !== MAGIC_COOKIE || readU32(bytes, 24) !== 0) return undefined;
  const options = parseOptions(bytes);
  if (options === undefined) return undefined;
  return {
    transaction: readU32(bytes, 4),
    broadcast: (readU16(bytes, 10) & 0x8000) !== 0,
    clientAddress: readU32(bytes, 12),
    yourAddress: readU32(bytes, 16),
    mac: readMac(bytes, 28),
    options,
  };
}

function parseOptions(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const options = new Map<number, Uint8Array>();
  let at = OPTIONS_OFFSET;
  while (at < bytes.length && bytes[at] !== OPTION_END) {
    const code = bytes[at];
    if (code === OPTION_PAD) {
      at += 1;
      continue;
    }
    const end = at + 2 + bytes[at + 1];
    if (!(end <= bytes.length)) return undefined;
    if (!options.has(code)) options.set(code, bytes.subarray(at + 2, end));
    at = end;
  }
  return options;
}

/** The bytes of a server's message. */
export function buildDhcpReply(message: DhcpMessage): Uint8Array {
  let length = OPTIONS_OFFSET + 1;
  for (const value of message.options.values()) length += 2 + value.length;
  const bytes = new Uint8Array(Math.max(MIN_LENGTH, length));
  bytes[0] = OP_REPLY;
  bytes[1] = HARDWARE_ETHERNET;
  bytes[2] = MAC_LENGTH;
  writeU32(bytes, 4, message.transaction);
  writeU16(bytes, 10, message.broadcast ? 0x8000 : 0);
  writeU32(bytes, 12, message.clientAddress);
  writeU32(bytes, 16, message.yourAddress);
  writeMac(bytes, 28, message.mac);
  writeU32(bytes, FIXED_LENGTH, MAGIC_COOKIE);
  let at = OPTIONS_OFFSET;
  for (const [code, value] of message.options) {
    bytes[at] = code;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  }
  bytes[at] = OPTION_END;
  return bytes;
}
