/** IPv4 (RFC 791): addresses and the header. */
import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { addWords, finishChecksum } from "./checksum.ts";

/** The header as this relay writes it: without options. */
export const IPV4_HEADER = 20;

export const IpProtocol = { icmp: 1, tcp: 6, udp: 17 } as const;

/** An address as an unsigned number of 32 bits, first byte highest. */
export type IpAddress = number;

const VERSION_4 = 4;
const FLAG_MORE_FRAGMENTS = 0x2000;
const FLAG_DONT_FRAGMENT = 0x4000;
const FRAGMENT_OFFSET_MASK = 0x1fff;
/** Enough hops for any path; the packet makes one. RFC 1700 recommends 64. */
const TIME_TO_LIVE = 64;

export interface Ipv4Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly timeToLive: number;
  /** Whether this is a part of a larger datagram, first part included. */
  readonly fragment: boolean;
  /** The header with its options, and the payload: views, not copies. */
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

export interface Ipv4Header {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly payloadLength: number;
  /** 0 to 65535; ties the parts of one datagram together. */
  readonly identification: number;
  /** Where this part starts in its datagram, in bytes: a multiple of 8. Default: not a part. */
  readonly fragmentOffset?: number;
  readonly moreFragments?: boolean;
}

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
    fragment: (fragmentWord & (FLAG_MORE_FRAGMENTS | FRAGMENT_OFFSET_MASK)) !== 0,
    header: bytes.subarray(offset, offset + headerLength),
    payload: bytes.subarray(offset + headerLength, offset + totalLength),
  };
}

/** Writes IPV4_HEADER bytes at `offset`. */
export function writeIpv4(bytes: Uint8Array, offset: number, header: Ipv4Header): void {
  const isPart = header.fragmentOffset !== undefined || header.moreFragments === true;
  bytes[offset] = (VERSION_4 << 4) | (IPV4_HEADER / 4);
  bytes[offset + 1] = 0;
  writeU16(bytes, offset + 2, IPV4_HEADER + header.payloadLength);
  writeU16(bytes, offset + 4, header.identification);
  const more = header.moreFragments === true ? FLAG_MORE_FRAGMENTS : 0;
  const part = more | ((header.fragmentOffset ?? 0) >>> 3);
  writeU16(bytes, offset + 6, isPart ? part : FLAG_DONT_FRAGMENT);
  bytes[offset + 8] = TIME_TO_LIVE;
  bytes[offset + 9] = header.protocol;
  writeU16(bytes, offset + 10, 0);
  writeU32(bytes, offset + 12, header.source);
  writeU32(bytes, offset + 16, header.destination);
  writeU16(bytes, offset + 10, finishChecksum(addWords(0, bytes, offset, offset + IPV4_HEADER)));
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
