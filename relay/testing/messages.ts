/** Messages as a guest sends them, for tests. */
import { writeU32 } from "../../src/packet/bytes.ts";
import { ARP_LENGTH, ArpOperation, writeArp } from "../wire/arp.ts";
import { DhcpOption } from "../wire/dhcp.ts";
import {
  BROADCAST_MAC,
  ETHERNET_HEADER,
  EtherType,
  writeEthernet,
  writeMac,
} from "../wire/ethernet.ts";
import type { IpAddress } from "../wire/ipv4.ts";
import type { TestGuest } from "./guest.ts";

const DHCP_OPTIONS = 240;

/** A frame that asks who has `address`. */
export function arpRequest(
  guest: TestGuest,
  address: IpAddress,
  operation: number = ArpOperation.request,
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER + ARP_LENGTH);
  writeEthernet(frame, BROADCAST_MAC, guest.mac, EtherType.arp);
  writeArp(frame, ETHERNET_HEADER, {
    operation,
    senderMac: guest.mac,
    senderAddress: guest.address,
    targetMac: 0,
    targetAddress: address,
  });
  return frame;
}

/** A DHCP client's message, which may ask for an address. */
export function dhcpMessage(mac: number, type: number, wanted?: IpAddress): Uint8Array {
  const bytes = new Uint8Array(300);
  bytes.set([1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
  writeMac(bytes, 28, mac);
  bytes.set([0x63, 0x82, 0x53, 0x63, DhcpOption.messageType, 1, type], DHCP_OPTIONS - 4);
  if (wanted !== undefined) {
    bytes.set([DhcpOption.requestedAddress, 4], DHCP_OPTIONS + 3);
    writeU32(bytes, DHCP_OPTIONS + 5, wanted);
  }
  bytes[DHCP_OPTIONS + 9] = 255;
  return bytes;
}

/** The bytes of an option of a DHCP message. */
export function optionOf(message: Uint8Array, code: number): number[] | undefined {
  let at = DHCP_OPTIONS;
  while (at < message.length && message[at] !== 255) {
    const end = at + 2 + message[at + 1];
    if (message[at] === code) return [...message.subarray(at + 2, end)];
    at = end;
  }
  return undefined;
}
