/** What the parts of one gateway share. */
import type { Clock } from "../clock.ts";
import { LOOPBACK, type Policy } from "../policy.ts";
import { DNS_PORT } from "../wire/dns.ts";
import type { MacAddress } from "../wire/ethernet.ts";
import type { IpAddress, Ipv4Packet } from "../wire/ipv4.ts";
import { DNS_ADDRESS, GATEWAY_ADDRESS, inSubnet } from "./network.ts";
import type { Outlet } from "./outlet.ts";
import type { Resolver } from "./resolvers.ts";

/** A packet that is addressed to the gateway or to be passed on, and who sent it. */
export interface GuestPacket extends Ipv4Packet {
  readonly mac: MacAddress;
  /** The transport's checksum was left to whoever puts the packet on a wire. */
  readonly unsummed: boolean;
}

export interface GatewayStats {
  arpReplies: number;
  dhcpReplies: number;
  dnsQueries: number;
  dnsFailures: number;
  tcpConnections: number;
  udpFlows: number;
  /** Packets that no parser took, or from an address that no guest may have. */
  malformed: number;
  /** Parts of larger datagrams, which are not put together. */
  fragments: number;
  /** Connections and datagrams that the policy refused. */
  refused: number;
  /** Connections and datagrams beyond a limit. */
  limited: number;
  /** Frames whose handling failed: always 0, or there is a defect. */
  faults: number;
}

export interface GatewayContext {
  readonly clock: Clock;
  readonly outlet: Outlet;
  readonly policy: Policy;
  readonly resolvers: readonly Resolver[];
  readonly stats: GatewayStats;
}

/** Where a guest's packet really goes, or why nowhere. */
export type Route =
  | { readonly kind: "host"; readonly address: IpAddress; readonly port: number }
  | { readonly kind: "resolver"; readonly resolver: Resolver }
  /** Nothing listens there, as the gateway itself. */
  | { readonly kind: "closed" }
  /** The policy says no. */
  | { readonly kind: "refused" };

/** Finds the way to what a guest calls `address` and `port`. */
export function routeTo(context: GatewayContext, address: IpAddress, port: number): Route {
  if (address === DNS_ADDRESS) {
    const resolver = context.resolvers[0];
    if (port !== DNS_PORT || resolver === undefined) return { kind: "closed" };
    return { kind: "resolver", resolver };
  }
  const target = address === GATEWAY_ADDRESS ? LOOPBACK : address;
  // An address of the LAN is reached on the LAN; a real 10.0.2.0/24 of the host is hidden by it.
  const allowed = !(inSubnet(target) || !context.policy.allows(target, port));
  return allowed ? { kind: "host", address: target, port } : { kind: "refused" };
}
