/** IPv4 (RFC 791): addresses and the header. */
import { readU16, readU32, writeU16, writeU32 } from "../../src/packet/bytes.ts";
import { addWords, finishChecksum, storeIpv4Checksum } from "../../src/packet/checksum.ts";

/** The header as this relay writes it: without options. */
export const IPV4_HEADER = 20;

export const IpProtocol = { icmp: 1, tcp: 6, udp: 17 } as const;

export const Ipv4Flag = { moreFragments: 0x2000, dontFragment: 0x4000 } as const;

/** An address as an unsigned number of 32 bits, first byte highest. */
export type IpAddress = number;

const VERSION_4 = 4;
const FRAGMENT_OFFSET_MASK = 0x1fff;
/** Enough hops for any path; the packet makes one. RFC 1700 recommends 64. */
const TIME_TO_LIVE = 64;

/** The two ends of a packet. */
export interface Endpoints {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

export interface Ipv4Packet extends Endpoints {
  readonly protocol: number;
  readonly timeToLive: number;
  /** Whether this is a part of a larger datagram, first part included. */
  readonly fragment: boolean;
  /** The header with its options, and the payload: views, not copies. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

/** How a packet is, or is not, a part of a larger datagram. */
export interface FragmentFields {
  /** 0 to 65535; ties the parts of one datagram together. */
  readonly identification: number;
  /** Where this part starts in its datagram, in bytes: a multiple of 8. */
  readonly fragmentOffset: number;
  readonly flags: number;
}

/** A packet that must not be fragmented needs no identification (RFC 6864 4.1). */
export const WHOLE: FragmentFields = {
  identification: 0,
  fragmentOffset: 0,
  flags: Ipv4Flag.dontFragment,
};

/**
 * The packet at `offset`, or undefined when a length does not fit or the header checksum is wrong.
 * Bytes after the total length are Ethernet padding and are left out. Options are skipped unread.
 */
export function parseIpv4(bytes: Uint8Array, offset: number): Ipv4Packet | undefined {
  const available = bytes.length - offset;
  if (available < IPV4_HEADER) return undefined;
  const headerLength = (bytes[offset] & 15) * 4;
  const totalLength = readU16(bytes, offset + 2);
  if (bytes[offset] >>> 4 !== VERSION_4 || headerLength < IPV4_HEADER) return undefined;
  if (totalLength < headerLength || totalLength > available) return undefined;
  if (finishChecksum(addWords(0, bytes, offset, offset + headerLength)) !== 0) return undefined;
  const fragmentWord = readU16(bytes, offset + 6);
  return {
    source: readU32(bytes, offset + 12),
    destination: readU32(bytes, offset + 16),
    protocol: bytes[offset + 9],
    timeToLive: bytes[offset + 8],
    fragment: (fragmentWord & (Ipv4Flag.moreFragments | FRAGMENT_OFFSET_MASK)) !== 0,
    header: bytes.subarray(offset, offset + headerLength),
    payload: bytes.subarray(offset + headerLength, offset + totalLength),
  };
}

/** Writes IPV4_HEADER bytes at `offset`, in front of the payload that fills the rest of `bytes`. */
export function writeIpv4(
  bytes: Uint8Array,
  offset: number,
  protocol: number,
  between: Endpoints,
  part: FragmentFields,
): void {
  bytes[offset] = (VERSION_4 << 4) | (IPV4_HEADER / 4);
  bytes[offset + 1] = 0;
  writeU16(bytes, offset + 2, bytes.length - offset);
  writeU16(bytes, offset + 4, part.identification);
  writeU16(bytes, offset + 6, part.flags | (part.fragmentOffset >>> 3));
  bytes[offset + 8] = TIME_TO_LIVE;
  bytes[offset + 9] = protocol;
  writeU32(bytes, offset + 12, between.source);
  writeU32(bytes, offset + 16, between.destination);
  storeIpv4Checksum(bytes, offset, offset + IPV4_HEADER);
}

/** "10.0.2.15" as a number, or undefined when the text is not four decimal bytes. */
export function parseAddress(text: string): IpAddress | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    // A leading zero is refused: some readers take it for octal, which is a way around a filter.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

export function formatAddress(address: IpAddress): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}
