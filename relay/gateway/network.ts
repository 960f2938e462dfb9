/**
 * The addresses of a LAN with a gateway. They are those of QEMU's user networking, which guests
 * and their documentation know.
 */
import type { MacAddress } from "../wire/ethernet.ts";
import type { IpAddress } from "../wire/ipv4.ts";

/** 10.0.2.0/24. */
const SUBNET: IpAddress = 0x0a00_0200;
export const SUBNET_MASK: IpAddress = 0xffff_ff00;
export const SUBNET_BROADCAST: IpAddress = 0x0a00_02ff;

/** 10.0.2.2: the router, and the host's loopback as far as the policy allows it. */
export const GATEWAY_ADDRESS: IpAddress = 0x0a00_0202;
/** 10.0.2.3: the name server. */
export const DNS_ADDRESS: IpAddress = 0x0a00_0203;
/** 10.0.2.15 to 10.0.2.254: leased by DHCP. What is below is free for fixed addresses. */
export const FIRST_LEASE: IpAddress = 0x0a00_020f;
export const LAST_LEASE: IpAddress = 0x0a00_02fe;

export const LIMITED_BROADCAST: IpAddress = 0xffff_ffff;

/** Locally administered. */
export const GATEWAY_MAC: MacAddress = 0x5255_0a00_0202;

/** Bytes of an IP packet on the LAN; the usual payload of an Ethernet frame. */
export const MTU = 1500;

/** A domain that is reserved for private use. */
export const DOMAIN = "tabvisor.internal";

export function isGatewayAddress(address: IpAddress): boolean {
  return address === GATEWAY_ADDRESS || address === DNS_ADDRESS;
}

export function inSubnet(address: IpAddress): boolean {
  return (address & SUBNET_MASK) >>> 0 === SUBNET;
}

/** Whether a guest may have this address: in the subnet, and neither reserved nor the gateway's. */
export function isGuestAddress(address: IpAddress): boolean {
  return (
    inSubnet(address) &&
    address !== SUBNET &&
    address !== SUBNET_BROADCAST &&
    !isGatewayAddress(address)
  );
}
