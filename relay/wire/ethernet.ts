/** Ethernet II frames (IEEE 802.3 clause 3), without preamble and frame check sequence. */
import { readU16, writeU16 } from "../../src/packet/bytes.ts";

export const ETHERNET_HEADER = 14;

export const EtherType = { ipv4: 0x0800, arp: 0x0806 } as const;

/** A hardware address as a number of 48 bits: cheap to compare and to use as a map key. */
export type MacAddress = number;

export const BROADCAST_MAC: MacAddress = 0xffff_ffff_ffff;

export interface EthernetHeader {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly etherType: number;
}

export function readMac(bytes: Uint8Array, offset: number): MacAddress {
  const high = (bytes[offset] << 8) | bytes[offset + 1];
  const low =
    ((bytes[offset + 2] << 24) |
      (bytes[offset + 3] << 16) |
      (bytes[offset + 4] << 8) |
      bytes[offset + 5]) >>>
    0;
  return high * 0x1_0000_0000 + low;
}

export function writeMac(bytes: Uint8Array, offset: number, mac: MacAddress): void {
  const high = Math.floor(mac / 0x1_0000_0000);
  bytes[offset] = high >>> 8;
  bytes[offset + 1] = high;
  const low = mac >>> 0;
  bytes[offset + 2] = low >>> 24;
  bytes[offset + 3] = low >>> 16;
  bytes[offset + 4] = low >>> 8;
  bytes[offset + 5] = low;
}

/** Whether the group bit is set: the lowest bit of the first byte on the wire. */
export function isGroupMac(mac: MacAddress): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}

export function formatMac(mac: MacAddress): string {
  return mac.toString(16).padStart(12, "0").replace(/..\B/g, "$&:");
}

/** The header of `frame`, or undefined when the frame is too short to have one. */
export function parseEthernet(frame: Uint8Array): EthernetHeader | undefined {
  if (frame.length < ETHERNET_HEADER) return undefined;
  return {
    destination: readMac(frame, 0),
    source: readMac(frame, 6),
    etherType: readU16(frame, 12),
  };
}

export function writeEthernet(
  frame: Uint8Array,
  destination: MacAddress,
  source: MacAddress,
  etherType: number,
): void {
  writeMac(frame, 0, destination);
  writeMac(frame, 6, source);
  writeU16(frame, 12, etherType);
}
