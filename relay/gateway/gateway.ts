/**
 * The gateway of one LAN: a member that answers ARP, DHCP, DNS and ping, and carries guests' TCP
 * and UDP to the host's sockets. This file receives frames and hands them on.
 */
import { toFrames } from "../../src/packet/frames.ts";
import {
  GsoType,
  gsoType,
  needsChecksum,
  PACKET_HEADER,
  PacketLayout,
  packetFault,
} from "../../src/packet/header.ts";
import type { Clock } from "../clock.ts";
import type { LanFabric, LanMember, LanPort } from "../lan.ts";
import type { Policy } from "../policy.ts";
import { ArpOperation, parseArp } from "../wire/arp.ts";
import { DhcpPort, parseDhcpRequest } from "../wire/dhcp.ts";
import { DNS_PORT } from "../wire/dns.ts";
import {
  BROADCAST_MAC,
  ETHERNET_HEADER,
  EtherType,
  isGroupMac,
  type MacAddress,
  parseEthernet,
} from "../wire/ethernet.ts";
import { IcmpType, parseIcmp, Unreachable } from "../wire/icmp.ts";
import { IpProtocol, parseIpv4 } from "../wire/ipv4.ts";
import { parseUdp, type UdpDatagram } from "../wire/udp.ts";
import type { GatewayContext, GatewayStats, GuestPacket } from "./context.ts";
import { DhcpServer } from "./dhcp-server.ts";
import { DnsForwarder } from "./dns-forwarder.ts";
import {
  GATEWAY_ADDRESS,
  GATEWAY_MAC,
  isGatewayAddress,
  isGuestAddress,
  LIMITED_BROADCAST,
  SUBNET_BROADCAST,
} from "./network.ts";
import { Outlet } from "./outlet.ts";
import { Quota, Total } from "./quota.ts";
import type { Resolver } from "./resolvers.ts";
import { TcpNat } from "./tcp-nat.ts";
import { UdpNat } from "./udp-nat.ts";

/** Fine enough for the shortest retransmission timeout, and cheap with a thousand connections. */
export const TICK_MS = 20;

/** What one member may hold, by MAC address. A browser in a guest stays well below. */
export const MEMBER_LIMITS = { tcp: 256, udp: 128, dns: 32 } as const;

/** What one LAN may hold: half of the total, so that no LAN can shut out all others. */
export const LAN_LIMITS = { tcp: 512, udp: 512, dns: 128 } as const;

/**
 * What all gateways of a relay may hold together. A TCP connection takes at most 2 MiB of buffers,
 * and each flow a file descriptor of the usual 4096 or more.
 */
export const RELAY_LIMITS = { tcp: 1024, udp: 1024, dns: 256 } as const;

/** The totals that the gateways of one relay share. */
export interface SharedTotals {
  readonly tcp: Total;
  readonly udp: Total;
  readonly dns: Total;
}

export function createTotals(): SharedTotals {
  return {
    tcp: new Total(RELAY_LIMITS.tcp),
    udp: new Total(RELAY_LIMITS.udp),
    dns: new Total(RELAY_LIMITS.dns),
  };
}

export interface GatewayOptions {
  readonly clock: Clock;
  readonly policy: Policy;
  readonly resolvers: readonly Resolver[];
  readonly totals: SharedTotals;
}

export class Gateway implements LanMember {
  readonly ownMac = GATEWAY_MAC;
  readonly takesPackets = true;
  readonly #context: GatewayContext;
  readonly #port: LanPort;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #udp: UdpNat;
  readonly #tcp: TcpNat;
  readonly #stopTicking: () => void;

  /** Joins the LAN `name`. */
  constructor(fabric: LanFabric, name: string, options: GatewayOptions) {
    const { clock, policy, resolvers, totals } = options;
    this.#port = fabric.join(name, this);
    const outlet = new Outlet(this.#port);
    this.#context = { clock, policy, resolvers, outlet, stats: createStats() };
    this.#dhcp = new DhcpServer(clock);
    this.#dns = new DnsForwarder(this.#context, quotaOf("dns", totals));
    this.#udp = new UdpNat(this.#context, quotaOf("udp", totals));
    this.#tcp = new TcpNat(this.#context, quotaOf("tcp", totals));
    this.#stopTicking = clock.every(TICK_MS, () => {
      this.#udp.tick();
      this.#tcp.tick();
    });
  }

  get stats(): GatewayStats & { readonly openTcp: number; readonly openUdp: number } {
    return { ...this.#context.stats, openTcp: this.#tcp.size, openUdp: this.#udp.size };
  }

  receive(frame: Uint8Array): void {
    this.#guarded(() => this.#receive(frame, false));
  }

  /** A large segment is a segment, and its checksum nobody's concern: it never was on a wire. */
  receivePacket(packet: Uint8Array): void {
    this.#guarded(() => {
      if (gsoType(packet) === GsoType.UDP_L4) this.#receiveDatagrams(packet);
      else this.#receive(packet.subarray(PACKET_HEADER), needsChecksum(packet));
    });
  }

  /** Frames are handled as they come. */
  backlogBytes(): number {
    return 0;
  }

  close(): void {
    this.#stopTicking();
    this.#tcp.close();
    this.#udp.close();
    this.#dns.close();
    this.#port.close();
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch {
      // A defect in here must not end the relay for everybody; the count makes it visible.
      this.#context.stats.faults += 1;
    }
  }

  /** Several datagrams in one packet: they have to go out as several. */
  #receiveDatagrams(packet: Uint8Array): void {
    const layout = new PacketLayout();
    if (packetFault(packet, layout) !== undefined) return;
    toFrames(packet, layout, {
      allocate: (length) => new Uint8Array(length),
      emit: (frame) => this.#receive(frame, false),
    });
  }

  #receive(frame: Uint8Array, unsummed: boolean): void {
    const ethernet = parseEthernet(frame);
    if (ethernet === undefined) return;
    const { destination, source, etherType } = ethernet;
    if (destination !== GATEWAY_MAC && !isGroupMac(destination)) return;
    if (etherType === EtherType.arp) this.#receiveArp(frame, source);
    else if (etherType === EtherType.ipv4) this.#receiveIpv4(frame, source, unsummed);
  }

  #receiveArp(frame: Uint8Array, mac: MacAddress): void {
    const { outlet, stats } = this.#context;
    const packet = parseArp(frame, ETHERNET_HEADER);
    if (packet === undefined) {
      stats.malformed += 1;
      return;
    }
    this.#dhcp.noteUse(mac, packet.senderAddress);
    const asked = packet.operation === ArpOperation.request;
    if (!asked || !isGatewayAddress(packet.targetAddress)) return;
    stats.arpReplies += 1;
    outlet.sendArp(mac, {
      operation: ArpOperation.reply,
      senderMac: GATEWAY_MAC,
      senderAddress: packet.targetAddress,
      targetMac: packet.senderMac,
      targetAddress: packet.senderAddress,
    });
  }

  #receiveIpv4(frame: Uint8Array, mac: MacAddress, unsummed: boolean): void {
    const { stats } = this.#context;
    const parsed = parseIpv4(frame, ETHERNET_HEADER);
    if (parsed === undefined) {
      stats.malformed += 1;
      return;
    }
    if (parsed.fragment) {
      stats.fragments += 1;
      return;
    }
    const packet: GuestPacket = { ...parsed, mac, unsummed };
    const { destination, protocol } = packet;
    const isBroadcast = destination === LIMITED_BROADCAST || destination === SUBNET_BROADCAST;
    const isOwn = isGatewayAddress(destination);
    if (protocol === IpProtocol.udp && (isBroadcast || isOwn)) {
      if (this.#receiveDhcp(packet)) return;
    }
    if (isBroadcast || destination >>> 28 === MULTICAST_PREFIX) return;
    if (!isGuestAddress(packet.source)) {
      stats.malformed += 1;
      return;
    }
    this.#dhcp.noteUse(mac, packet.source);
    if (!isOwn && packet.timeToLive <= 1) {
      this.#context.outlet.sendIcmpError(mac, packet, IcmpType.timeExceeded, 0);
      return;
    }
    if (protocol === IpProtocol.tcp) this.#tcp.receive(packet);
    else if (protocol === IpProtocol.udp) this.#receiveUdp(packet, isOwn);
    else if (protocol === IpProtocol.icmp) this.#receiveIcmp(packet, isOwn);
    else this.#refuse(packet, isOwn ? Unreachable.protocol : Unreachable.prohibited);
  }

  #receiveUdp(packet: GuestPacket, isOwn: boolean): void {
    const datagram = parseUdp(packet.payload, packet, packet.unsummed);
    if (datagram === undefined) this.#context.stats.malformed += 1;
    else if (isOwn && datagram.destinationPort === DNS_PORT) this.#dns.receive(packet, datagram);
    else this.#udp.receive(packet, datagram);
  }

  /** Whether the packet was for the DHCP server. */
  #receiveDhcp(packet: GuestPacket): boolean {
    const { stats, outlet } = this.#context;
    const datagram = parseUdp(packet.payload, packet, packet.unsummed);
    if (datagram?.destinationPort !== DhcpPort.server) return false;
    const message = parseDhcp(datagram);
    if (message === undefined) {
      stats.malformed += 1;
      return true;
    }
    const reply = this.#dhcp.receive(message);
    if (reply === undefined) return true;
    stats.dhcpReplies += 1;
    const to = reply.to === undefined ? BROADCAST_MAC : message.mac;
    const between = { source: GATEWAY_ADDRESS, destination: reply.to ?? LIMITED_BROADCAST };
    const ports = { sourcePort: DhcpPort.server, destinationPort: DhcpPort.client };
    outlet.sendUdp(to, between, ports, reply.payload);
    return true;
  }

  #receiveIcmp(packet: GuestPacket, isOwn: boolean): void {
    const { outlet, stats } = this.#context;
    const message = parseIcmp(packet.payload);
    if (message === undefined) {
      stats.malformed += 1;
      return;
    }
    // An error is never answered with an error (RFC 1122 3.2.2).
    if (message.type !== IcmpType.echoRequest) return;
    if (isOwn) {
      const between = { source: packet.destination, destination: packet.source };
      outlet.sendEchoReply(packet.mac, between, message);
    } else {
      // Sending a ping to the outside takes a raw socket, which a relay does not have.
      this.#refuse(packet, Unreachable.prohibited);
    }
  }

  #refuse(packet: GuestPacket, code: number): void {
    this.#context.stats.refused += 1;
    this.#context.outlet.sendIcmpError(packet.mac, packet, IcmpType.unreachable, code);
  }
}

function quotaOf(kind: keyof SharedTotals, totals: SharedTotals): Quota {
  return new Quota({ perMember: MEMBER_LIMITS[kind], perLan: LAN_LIMITS[kind] }, totals[kind]);
}

/** The first four bits of 224.0.0.0/4. */
const MULTICAST_PREFIX = 14;

/** A client's message, from the only port that clients use. */
function parseDhcp(datagram: UdpDatagram) {
  if (datagram.sourcePort !== DhcpPort.client) return undefined;
  return parseDhcpRequest(datagram.payload);
}

function createStats(): GatewayStats {
  return {
    arpReplies: 0,
    dhcpReplies: 0,
    dnsQueries: 0,
    dnsFailures: 0,
    tcpConnections: 0,
    udpFlows: 0,
    malformed: 0,
    fragments: 0,
    refused: 0,
    limited: 0,
    faults: 0,
  };
}
