/** Makes plain frames of packets: completes checksums, segments TCP and UDP, fragments IP. */
import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import { addWords, finishChecksum, storeIpv4Checksum } from "./checksum.ts";
import {
  ChecksumOffset,
  checksumPlace,
  checksumStart,
  GsoType,
  gsoSize,
  gsoType,
  needsChecksum,
  PACKET_HEADER,
  type PacketLayout,
  Protocol,
} from "./header.ts";

export interface FrameSink {
  /** Memory for a frame, which need not be cleared. */
  allocate(length: number): Uint8Array<ArrayBuffer>;
  emit(frame: Uint8Array<ArrayBuffer>): void;
}

const TcpFlag = { FIN: 0x01, PSH: 0x08, CWR: 0x80 } as const;

/** Bytes of IPv6's fragment header (RFC 8200 4.5), and its type. */
const FRAGMENT_HEADER = 8;
const FRAGMENT_TYPE = 44;
const MORE_FRAGMENTS = 0x2000;

/**
 * Emits the frames of `packet`, in which `packetFault` has found nothing wrong and, if it is to be
 * segmented, has set `layout`. The packet itself stays as it is.
 */
export function toFrames(packet: Uint8Array, layout: PacketLayout, sink: FrameSink): void {
  const type = gsoType(packet);
  if (type === GsoType.UDP) {
    const whole = packet.slice();
    completeChecksum(whole);
    fragment(whole, layout, sink);
  } else if (type !== GsoType.NONE) {
    segment(packet, layout, sink);
  } else {
    const frame = sink.allocate(packet.length - PACKET_HEADER);
    frame.set(packet.subarray(PACKET_HEADER));
    if (needsChecksum(packet)) storeChecksum(frame, packet, PACKET_HEADER);
    sink.emit(frame);
  }
}

/** Bytes of the longest frame that `toFrames` emits. */
export function longestFrame(packet: Uint8Array, layout: PacketLayout): number {
  const type = gsoType(packet);
  if (type === GsoType.NONE) return packet.length - PACKET_HEADER;
  if (type !== GsoType.UDP) {
    return Math.min(layout.payload + gsoSize(packet), packet.length) - PACKET_HEADER;
  }
  const extra = layout.isIpv6 ? FRAGMENT_HEADER : 0;
  return layout.transport + fragmentSize(packet) + extra - PACKET_HEADER;
}

/** Stores in `packet` the checksum that its header asks for. */
export function completeChecksum(packet: Uint8Array): void {
  storeChecksum(packet, packet, 0);
}

/** As the header in `packet` says, for the bytes of `frame`, in which all places are lower. */
function storeChecksum(frame: Uint8Array, packet: Uint8Array, lower: number): void {
  // The field itself holds the sum of the pseudo-header before (5.1.6.2).
  const words = addWords(0, frame, checksumStart(packet) - lower, frame.length);
  const sum = finishChecksum(words);
  // Zero says "none" in UDP; the other zero of ones' complement is right everywhere.
  writeU16(frame, checksumPlace(packet) - lower, sum === 0 ? 0xffff : sum);
}

function segment(packet: Uint8Array, layout: PacketLayout, sink: FrameSink): void {
  const size = gsoSize(packet);
  for (let at = layout.payload, index = 0; at < packet.length; at += size, index++) {
    const end = Math.min(at + size, packet.length);
    const frame = sink.allocate(layout.payload - PACKET_HEADER + end - at);
    frame.set(packet.subarray(PACKET_HEADER, layout.payload));
    frame.set(packet.subarray(at, end), layout.payload - PACKET_HEADER);
    finishNetwork(frame, layout, index);
    if (layout.protocol === Protocol.TCP) {
      const last = end === packet.length;
      finishTcp(frame, layout.transport - PACKET_HEADER, at - layout.payload, last);
    } else {
      writeU16(frame, layout.transport - PACKET_HEADER + 4, frame.length - transportOf(layout));
    }
    finishTransport(frame, layout);
    sink.emit(frame);
  }
}

/** The places in `layout` are a packet's; those in a frame have no header before them. */
function transportOf(layout: PacketLayout): number {
  return layout.transport - PACKET_HEADER;
}

function networkOf(layout: PacketLayout): number {
  return layout.network - PACKET_HEADER;
}

/** Length, number and header checksum of the `index`th IP packet. */
function finishNetwork(frame: Uint8Array, layout: PacketLayout, index: number): void {
  const at = networkOf(layout);
  if (layout.isIpv6) {
    writeU16(frame, at + 4, frame.length - at - 40);
    return;
  }
  writeU16(frame, at + 2, frame.length - at);
  writeU16(frame, at + 4, readU16(frame, at + 4) + index);
  storeIpv4Checksum(frame, at, transportOf(layout));
}

/** Only the last segment ends the data, and only the first reports congestion (RFC 3168 6.1.2). */
function finishTcp(frame: Uint8Array, at: number, offset: number, last: boolean): void {
  writeU32(frame, at + 4, readU32(frame, at + 4) + offset);
  if (!last) frame[at + 13] &= ~(TcpFlag.FIN | TcpFlag.PSH);
  if (offset > 0) frame[at + 13] &= ~TcpFlag.CWR;
}

function finishTransport(frame: Uint8Array, layout: PacketLayout): void {
  const at = transportOf(layout);
  const isTcp = layout.protocol === Protocol.TCP;
  const place = at + ChecksumOffset[isTcp ? Protocol.TCP : Protocol.UDP];
  const network = networkOf(layout);
  writeU16(frame, place, 0);
  const length = frame.length - at;
  const addresses = layout.isIpv6 ? network + 8 : network + 12;
  const addressBytes = layout.isIpv6 ? 32 : 8;
  const pseudo = addWords(layout.protocol + length, frame, addresses, addresses + addressBytes);
  const sum = finishChecksum(addWords(pseudo, frame, at, frame.length));
  writeU16(frame, place, sum === 0 && !isTcp ? 0xffff : sum);
}

/** Fragments carry multiples of 8 bytes, all but the last (RFC 791 3.2). */
function fragmentSize(packet: Uint8Array): number {
  return gsoSize(packet) & ~7;
}

/** The fragments of one datagram, whose checksum is complete. */
function fragment(packet: Uint8Array, layout: PacketLayout, sink: FrameSink): void {
  const size = fragmentSize(packet);
  const headers = transportOf(layout);
  const extra = layout.isIpv6 ? FRAGMENT_HEADER : 0;
  for (let at = layout.transport; at < packet.length; at += size) {
    const end = Math.min(at + size, packet.length);
    const frame = sink.allocate(headers + extra + end - at);
    frame.set(packet.subarray(PACKET_HEADER, layout.transport));
    frame.set(packet.subarray(at, end), headers + extra);
    const more = end < packet.length ? 1 : 0;
    if (layout.isIpv6) finishIpv6Fragment(frame, layout, at - layout.transport, more, packet);
    else finishIpv4Fragment(frame, layout, at - layout.transport, more);
    sink.emit(frame);
  }
}

function finishIpv4Fragment(
  frame: Uint8Array,
  layout: PacketLayout,
  offset: number,
  more: number,
): void {
  const at = networkOf(layout);
  writeU16(frame, at + 2, frame.length - at);
  writeU16(frame, at + 6, (more * MORE_FRAGMENTS) | (offset >>> 3));
  storeIpv4Checksum(frame, at, transportOf(layout));
}

/** The fragment header comes after the extensions, which all fragments repeat. */
function finishIpv6Fragment(
  frame: Uint8Array,
  layout: PacketLayout,
  offset: number,
  more: number,
  packet: Uint8Array,
): void {
  const at = transportOf(layout);
  const network = networkOf(layout);
  writeU16(frame, network + 4, frame.length - network - 40);
  frame[nextHeaderPlace(frame, network, at)] = FRAGMENT_TYPE;
  frame[at] = layout.protocol;
  frame[at + 1] = 0;
  writeU16(frame, at + 2, offset | more);
  // Ports and checksum tell datagrams apart well enough for one receiver and a minute.
  writeU16(frame, at + 4, readU16(packet, layout.transport));
  writeU16(frame, at + 6, readU16(packet, layout.transport + 6));
}

/** Where the last header before `end` says what follows it. */
function nextHeaderPlace(frame: Uint8Array, network: number, end: number): number {
  let place = network + 6;
  for (let at = network + 40; at < end; at += 8 + 8 * frame[at + 1]) place = at;
  return place;
}
