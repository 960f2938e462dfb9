/**
 * Packets with `struct virtio_net_hdr` in front (virtio 5.1.6): an Ethernet frame, and what is left
 * to do before it is ready for a wire. Devices, the relay and its members pass such packets on as
 * they are; whoever needs plain frames makes them with `frames.ts`.
 */
import { readU16 } from "./bytes.ts";

/** Bytes of the header with `num_buffers`, as VERSION_1 has it. */
export const PACKET_HEADER = 12;

/**
 * The WebSocket subprotocol (RFC 6455 1.9) in which a message is such a packet, both ways. Without
 * it a message is one plain frame, as with relays and clients of other browser emulators.
 */
export const PACKET_PROTOCOL = "packets.tabvisor";

/** Two addresses and a type. */
export const FRAME_MIN = 14;

/** The longest frame of any packet: addresses, type, one VLAN tag, and 64 KiB as Linux makes them. */
export const LARGE_FRAME_MAX = 18 + 65_536;

/**
 * The least payload of a segment. Linux allows no smaller one: an MSS of 48 (TCP_MIN_SND_MSS) less
 * 40 bytes of options. It bounds the frames that one packet can become, and so the work it causes.
 */
export const GSO_SIZE_MIN = 8;

/** Offsets of the fields, which are little-endian. */
const Field = {
  FLAGS: 0,
  GSO_TYPE: 1,
  HDR_LEN: 2,
  GSO_SIZE: 4,
  CSUM_START: 6,
  CSUM_OFFSET: 8,
  NUM_BUFFERS: 10,
} as const;

export const HeaderFlag = {
  /** The checksum from `csum_start` on is to be completed. */
  NEEDS_CSUM: 1,
} as const;

export const GsoType = {
  NONE: 0,
  TCPV4: 1,
  /** A datagram to be fragmented by IP. */
  UDP: 3,
  TCPV6: 4,
  /** Several datagrams of one flow. */
  UDP_L4: 5,
} as const;

/** A bit beside the type: the segments carry congestion marks (RFC 3168). */
export const GSO_ECN = 0x80;

/** The kind of packet without the ECN bit. */
export function gsoType(packet: Uint8Array): number {
  return packet[Field.GSO_TYPE] & ~GSO_ECN;
}

export function hasEcn(packet: Uint8Array): boolean {
  return (packet[Field.GSO_TYPE] & GSO_ECN) !== 0;
}

/** Bytes of payload of each segment, or of each fragment. */
export function gsoSize(packet: Uint8Array): number {
  return littleU16(packet, Field.GSO_SIZE);
}

/** Where the checksum starts and where it is stored, from the packet's first byte on. */
export function checksumStart(packet: Uint8Array): number {
  return PACKET_HEADER + littleU16(packet, Field.CSUM_START);
}

export function checksumPlace(packet: Uint8Array): number {
  return checksumStart(packet) + littleU16(packet, Field.CSUM_OFFSET);
}

export function needsChecksum(packet: Uint8Array): boolean {
  return (packet[Field.FLAGS] & HeaderFlag.NEEDS_CSUM) !== 0;
}

/** Whether the frame behind the header is ready for a wire. */
export function isPlain(packet: Uint8Array): boolean {
  return packet[Field.GSO_TYPE] === GsoType.NONE && !needsChecksum(packet);
}

export interface HeaderFields {
  readonly flags?: number;
  readonly gsoType?: number;
  readonly hdrLen?: number;
  readonly gsoSize?: number;
  readonly csumStart?: number;
  readonly csumOffset?: number;
  readonly numBuffers?: number;
}

/** Writes a header at the start of `packet`; what is not given is 0. */
export function writeHeader(packet: Uint8Array, fields: HeaderFields): void {
  packet[Field.FLAGS] = fields.flags ?? 0;
  packet[Field.GSO_TYPE] = fields.gsoType ?? GsoType.NONE;
  writeLittleU16(packet, Field.HDR_LEN, fields.hdrLen ?? 0);
  writeLittleU16(packet, Field.GSO_SIZE, fields.gsoSize ?? 0);
  writeLittleU16(packet, Field.CSUM_START, fields.csumStart ?? 0);
  writeLittleU16(packet, Field.CSUM_OFFSET, fields.csumOffset ?? 0);
  writeNumBuffers(packet, fields.numBuffers ?? 0);
}

export function writeNumBuffers(packet: Uint8Array, count: number): void {
  writeLittleU16(packet, Field.NUM_BUFFERS, count);
}

/**
 * Leaves in a header that `packetFault` has passed only what the next reader may rely on: known
 * flags, and the true length of the headers of a packet that is to be segmented.
 */
export function sanitizeHeader(packet: Uint8Array, layout: PacketLayout): void {
  packet[Field.FLAGS] &= HeaderFlag.NEEDS_CSUM;
  const isLarge = gsoType(packet) !== GsoType.NONE;
  if (!isLarge) packet[Field.GSO_TYPE] = GsoType.NONE;
  writeLittleU16(packet, Field.HDR_LEN, isLarge ? layout.payload - PACKET_HEADER : 0);
  if (!isLarge) writeLittleU16(packet, Field.GSO_SIZE, 0);
  writeNumBuffers(packet, 0);
}

function littleU16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

function writeLittleU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export const EtherType = {
  VLAN: 0x8100,
  SERVICE_VLAN: 0x88a8,
  IPV4: 0x0800,
  IPV6: 0x86dd,
} as const;

/** A customer's tag inside a provider's (IEEE 802.1ad). */
export const VLAN_TAGS_MAX = 2;

export const Protocol = { TCP: 6, UDP: 17 } as const;

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const TCP_HEADER = 20;
const UDP_HEADER = 8;

/** Hop-by-hop options, routing, destination options: each has its length in its second byte. */
export const IPV6_EXTENSIONS: readonly number[] = [0, 43, 60];
/** RFC 8200 4.1 has at most one of each, and the destination options twice. */
const IPV6_EXTENSIONS_MAX = 4;

/** Offset of a checksum in the header of its protocol. */
export const ChecksumOffset = { [Protocol.TCP]: 16, [Protocol.UDP]: 6 } as const;

/** Where the headers of a packet are, from the packet's first byte on. Reused, to allocate nothing. */
export class PacketLayout {
  isIpv6 = false;
  /** Start of the IP header. */
  network = 0;
  /** Start of the TCP or UDP header. */
  transport = 0;
  /** First byte after the transport header. */
  payload = 0;
  /** TCP or UDP. */
  protocol = 0;

  /**
   * False unless `packet` is one whole IP packet with TCP or UDP, and nothing after it. The places
   * are from its first byte on; a frame without a header begins at 0.
   */
  parse(packet: Uint8Array, frameAt = PACKET_HEADER): boolean {
    let type = frameAt + 12;
    for (let tags = 0; tags < VLAN_TAGS_MAX && isVlan(readU16(packet, type)); tags++) type += 4;
    this.network = type + 2;
    const etherType = readU16(packet, type);
    if (etherType === EtherType.IPV4)
      return this.#parseIpv4(packet) && this.#parseTransport(packet);
    if (etherType === EtherType.IPV6)
      return this.#parseIpv6(packet) && this.#parseTransport(packet);
    return false;
  }

  #parseIpv4(packet: Uint8Array): boolean {
    const at = this.network;
    if (at + IPV4_HEADER > packet.length || packet[at] >>> 4 !== 4) return false;
    const headerLength = (packet[at] & 15) * 4;
    // A fragment has no transport header of its own, or not all of its payload.
    const isFragment = (readU16(packet, at + 6) & 0x3fff) !== 0;
    if (headerLength < IPV4_HEADER || isFragment) return false;
    if (readU16(packet, at + 2) !== packet.length - at) return false;
    this.isIpv6 = false;
    this.protocol = packet[at + 9];
    this.transport = at + headerLength;
    return true;
  }

  #parseIpv6(packet: Uint8Array): boolean {
    const at = this.network;
    if (at + IPV6_HEADER > packet.length || packet[at] >>> 4 !== 6) return false;
    if (readU16(packet, at + 4) !== packet.length - at - IPV6_HEADER) return false;
    this.isIpv6 = true;
    this.protocol = packet[at + 6];
    this.transport = at + IPV6_HEADER;
    for (let i = 0; i < IPV6_EXTENSIONS_MAX && IPV6_EXTENSIONS.includes(this.protocol); i++) {
      if (this.transport + 8 > packet.length) return false;
      this.protocol = packet[this.transport];
      this.transport += 8 + 8 * packet[this.transport + 1];
    }
    return true;
  }

  #parseTransport(packet: Uint8Array): boolean {
    const at = this.transport;
    if (this.protocol === Protocol.UDP) {
      this.payload = at + UDP_HEADER;
      return this.payload <= packet.length;
    }
    if (this.protocol !== Protocol.TCP || at + TCP_HEADER > packet.length) return false;
    const headerLength = (packet[at + 12] >>> 4) * 4;
    this.payload = at + headerLength;
    return headerLength >= TCP_HEADER && this.payload <= packet.length;
  }
}

function isVlan(etherType: number): boolean {
  return etherType === EtherType.VLAN || etherType === EtherType.SERVICE_VLAN;
}

/**
 * What is wrong with the header in front of `packet`, or undefined. Nothing in it is trusted
 * further than this: lengths are those of the headers themselves, and `hdr_len` is not looked at.
 * Sets `layout` for a packet that is to be segmented.
 */
export function packetFault(packet: Uint8Array, layout: PacketLayout): string | undefined {
  const length = packet.length - PACKET_HEADER;
  if (length < FRAME_MIN) return "too short for a frame";
  if (length > LARGE_FRAME_MAX) return "too long";
  if (needsChecksum(packet)) {
    if (checksumStart(packet) < PACKET_HEADER + FRAME_MIN) return "a checksum of the link header";
    if (checksumPlace(packet) + 2 > packet.length) return "a checksum outside the frame";
  }
  return gsoType(packet) === GsoType.NONE ? undefined : segmentationFault(packet, layout);
}

function segmentationFault(packet: Uint8Array, layout: PacketLayout): string | undefined {
  // A segment's checksum is made from the whole's, so that must be left open (5.1.6.2).
  if (!needsChecksum(packet)) return "segmentation without a checksum to complete";
  if (gsoSize(packet) < GSO_SIZE_MIN) return "segments of next to nothing";
  if (!layout.parse(packet)) return "segmentation of what is no TCP or UDP";
  if (!fitsType(gsoType(packet), layout)) return "not of the kind that the header says";
  if (layout.payload === packet.length) return "segmentation of no payload";
  const place = layout.transport + ChecksumOffset[layout.protocol as keyof typeof ChecksumOffset];
  if (checksumStart(packet) !== layout.transport || checksumPlace(packet) !== place) {
    return "a checksum that is not the segments'";
  }
  return undefined;
}

function fitsType(type: number, { protocol, isIpv6 }: PacketLayout): boolean {
  switch (type) {
    case GsoType.TCPV4:
      return protocol === Protocol.TCP && !isIpv6;
    case GsoType.TCPV6:
      return protocol === Protocol.TCP && isIpv6;
    case GsoType.UDP:
    case GsoType.UDP_L4:
      return protocol === Protocol.UDP;
    default:
      return false;
  }
}
