/** ARP for IPv4 over Ethernet (RFC 826). */
import { readU16, readU32, writeU16, writeU32 } from "../../src/packet/bytes.ts";
import { type MacAddress, readMac, writeMac } from "./ethernet.ts";
import type { IpAddress } from "./ipv4.ts";

export const ARP_LENGTH = 28;

export const ArpOperation = { request: 1, reply: 2 } as const;

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const MAC_LENGTH = 6;
const ADDRESS_LENGTH = 4;

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: MacAddress;
  readonly senderAddress: IpAddress;
  readonly targetMac: MacAddress;
  readonly targetAddress: IpAddress;
}

/** The packet at `offset`, or undefined when it is cut short or not IPv4 over Ethernet. */
export function parseArp(bytes: Uint8Array, offset: number): ArpPacket | undefined {
  if (bytes.length < offset + ARP_LENGTH) return undefined;
  if (readU16(bytes, offset) !== HARDWARE_ETHERNET) return undefined;
  if (readU16(bytes, offset + 2) !== PROTOCOL_IPV4) return undefined;
  if (bytes[offset + 4] !== MAC_LENGTH || bytes[offset + 5] !== ADDRESS_LENGTH) return undefined;
  return {
    operation: readU16(bytes, offset + 6),
    senderMac: readMac(bytes, offset + 8),
    senderAddress: readU32(bytes, offset + 14),
    targetMac: readMac(bytes, offset + 18),
    targetAddress: readU32(bytes, offset + 24),
  };
}

/** Writes ARP_LENGTH bytes at `offset`. */
export function writeArp(bytes: Uint8Array, offset: number, packet: ArpPacket): void {
  writeU16(bytes, offset, HARDWARE_ETHERNET);
  writeU16(bytes, offset + 2, PROTOCOL_IPV4);
  bytes[offset + 4] = MAC_LENGTH;
  bytes[offset + 5] = ADDRESS_LENGTH;
  writeU16(bytes, offset + 6, packet.operation);
  writeMac(bytes, offset + 8, packet.senderMac);
  writeU32(bytes, offset + 14, packet.senderAddress);
  writeMac(bytes, offset + 18, packet.targetMac);
  writeU32(bytes, offset + 24, packet.targetAddress);
}
