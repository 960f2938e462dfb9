/** TCP segments (RFC 9293 3.1) with the options MSS, window scale (RFC 7323) and SACK (RFC 2018). */
import { readU16, readU32, writeU16, writeU32 } from "../../src/packet/bytes.ts";
import { addWords, finishChecksum, pseudoHeaderSum } from "../../src/packet/checksum.ts";
import { type Endpoints, IpProtocol } from "./ipv4.ts";
import type { Ports } from "./udp.ts";

export const TCP_HEADER = 20;

export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const OptionKind = { end: 0, nop: 1, mss: 2, windowScale: 3, sackPermitted: 4, sack: 5 } as const;

/** What a SYN may carry; absent options are undefined. */
export interface TcpOptions {
  /** Bytes. */
  readonly mss?: number;
  /** A shift of the window field. */
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
}

/** A range of sequence numbers, the end not included. */
export interface SequenceRange {
  readonly start: number;
  readonly end: number;
}

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** The field as sent, not scaled. */
  readonly window: number;
  /** The option bytes, checked only by parseTcpOptions. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

export interface TcpHeader {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  /** A multiple of 4 bytes, at most 40. */
  readonly options: Uint8Array;
}

/**
 * The segment, or undefined when a length does not fit or the checksum is wrong. That of an
 * `unsummed` one is not complete, and not looked at.
 */
export function parseTcp(
  bytes: Uint8Array,
  between: Endpoints,
  unsummed = false,
): TcpSegment | undefined {
  const length = bytes.length;
  if (length < TCP_HEADER) return undefined;
  const headerLength = (bytes[12] >>> 4) * 4;
  if (headerLength < TCP_HEADER || headerLength > length) return undefined;
  if (!unsummed) {
    const sum = pseudoHeaderSum(between.source, between.destination, IpProtocol.tcp, length);
    if (finishChecksum(addWords(sum, bytes, 0, length)) !== 0) return undefined;
  }
  return {
    sourcePort: readU16(bytes, 0),
    destinationPort: readU16(bytes, 2),
    sequence: readU32(bytes, 4),
    acknowledgment: readU32(bytes, 8),
    flags: bytes[13],
    window: readU16(bytes, 14),
    options: bytes.subarray(TCP_HEADER, headerLength),
    payload: bytes.subarray(headerLength),
  };
}

/** The known options; unknown ones are skipped, and reading stops at the first broken length. */
export function parseTcpOptions(bytes: Uint8Array): TcpOptions {
  let options: TcpOptions = {};
  let at = 0;
  while (at < bytes.length && bytes[at] !== OptionKind.end) {
    if (bytes[at] === OptionKind.nop) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || length < 2 || at + length > bytes.length) break;
    const kind = bytes[at];
    if (kind === OptionKind.mss && length === 4) {
      options = { ...options, mss: readU16(bytes, at + 2) };
    } else if (kind === OptionKind.windowScale && length === 3) {
      options = { ...options, windowScale: bytes[at + 2] };
    } else if (kind === OptionKind.sackPermitted && length === 2) {
      options = { ...options, sackPermitted: true };
    }
    at += length;
  }
  return options;
}

/** The option bytes of a SYN, padded to a multiple of 4. */
export function buildSynOptions(options: TcpOptions): Uint8Array {
  const bytes: number[] = [];
  const { mss, windowScale } = options;
  if (mss !== undefined) bytes.push(OptionKind.mss, 4, mss >>> 8, mss & 255);
  if (windowScale !== undefined) {
    bytes.push(OptionKind.nop, OptionKind.windowScale, 3, windowScale);
  }
  if (options.sackPermitted === true) {
    bytes.push(OptionKind.nop, OptionKind.nop, OptionKind.sackPermitted, 2);
  }
  return Uint8Array.from(bytes);
}

/** The option bytes that report `ranges` as received out of order, at most 4 of them. */
export function buildSackOptions(ranges: readonly SequenceRange[]): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * ranges.length);
  bytes.set([OptionKind.nop, OptionKind.nop, OptionKind.sack, 2 + 8 * ranges.length]);
  ranges.forEach((range, index) => {
    writeU32(bytes, 4 + 8 * index, range.start);
    writeU32(bytes, 8 + 8 * index, range.end);
  });
  return bytes;
}

/**
 * Writes a header at `offset`, in front of the payload that already fills the rest of `bytes`. Its
 * checksum is the pseudo-header's sum, for `struct virtio_net_hdr` to have it completed, unless it
 * is to be `summed` here over all.
 */
export function writeTcp(
  bytes: Uint8Array,
  offset: number,
  ports: Ports,
  header: TcpHeader,
  between: Endpoints,
  summed = true,
): void {
  writeU16(bytes, offset, ports.sourcePort);
  writeU16(bytes, offset + 2, ports.destinationPort);
  writeU32(bytes, offset + 4, header.sequence);
  writeU32(bytes, offset + 8, header.acknowledgment);
  bytes[offset + 12] = ((TCP_HEADER + header.options.length) / 4) << 4;
  bytes[offset + 13] = header.flags;
  writeU16(bytes, offset + 14, header.window);
  writeU16(bytes, offset + 16, 0);
  writeU16(bytes, offset + 18, 0);
  if (header.options.length > 0) bytes.set(header.options, offset + TCP_HEADER);
  const length = bytes.length - offset;
  const sum = pseudoHeaderSum(between.source, between.destination, IpProtocol.tcp, length);
  const checksum = summed
    ? finishChecksum(addWords(sum, bytes, offset, bytes.length))
    : ~finishChecksum(sum);
  writeU16(bytes, offset + 16, checksum);
}
