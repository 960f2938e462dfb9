/** Carries guests' UDP datagrams over the host's sockets, one connected socket per flow. */
import { createSocket, type Socket } from "node:dgram";
import type { MacAddress } from "../wire/ethernet.ts";
import { IcmpType, Unreachable } from "../wire/icmp.ts";
import { formatAddress } from "../wire/ipv4.ts";
import type { UdpDatagram } from "../wire/udp.ts";
import { type GatewayContext, type GuestPacket, routeTo } from "./context.ts";
import type { Quota } from "./quota.ts";

/** RFC 4787 REQ-5 wants at least two minutes. */
export const UDP_IDLE_MS = 120_000;

/** Bytes that may wait in one socket before datagrams are dropped: a few of the largest. */
export const MAX_UDP_QUEUE_BYTES = 256 * 1024;

/** Datagrams that may wait until a socket is connected, which takes no network round trip. */
const MAX_EARLY_DATAGRAMS = 8;

interface Flow {
  readonly key: string;
  /** Whom the quota counts. */
  readonly owner: MacAddress;
  mac: MacAddress;
  /** The latest packet, as an error would quote it. */
  latest: GuestPacket;
  readonly socket: Socket;
  /** Datagrams that came before the socket was connected; undefined afterwards. */
  early: Uint8Array[] | undefined;
  usedMs: number;
}

export class UdpNat {
  readonly #context: GatewayContext;
  readonly #quota: Quota;
  /** Least recently used first. */
  readonly #flows = new Map<string, Flow>();

  constructor(context: GatewayContext, quota: Quota) {
    this.#context = context;
    this.#quota = quota;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** A datagram from a guest, in `packet`. */
  receive(packet: GuestPacket, datagram: UdpDatagram): void {
    const key = `${packet.source}:${datagram.sourcePort}>${packet.destination}:${datagram.destinationPort}`;
    const flow = this.#flows.get(key) ?? this.#open(key, packet, datagram);
    if (flow === undefined) return;
    flow.mac = packet.mac;
    flow.latest = packet;
    this.#use(flow);
    if (flow.early === undefined) this.#send(flow, datagram.payload);
    else if (flow.early.length < MAX_EARLY_DATAGRAMS) flow.early.push(datagram.payload);
    else this.#context.stats.limited += 1;
  }

  /** Ends the flows that nobody used. */
  tick(): void {
    const nowMs = this.#context.clock.now();
    for (const flow of this.#flows.values()) {
      if (nowMs - flow.usedMs < UDP_IDLE_MS) return;
      this.#close(flow);
    }
  }

  close(): void {
    for (const flow of this.#flows.values()) this.#close(flow);
  }

  #open(key: string, packet: GuestPacket, datagram: UdpDatagram): Flow | undefined {
    const { stats, outlet, clock } = this.#context;
    const route = routeTo(this.#context, packet.destination, datagram.destinationPort);
    if (route.kind !== "host") {
      const refused = route.kind === "refused";
      if (refused) stats.refused += 1;
      const code = refused ? Unreachable.prohibited : Unreachable.port;
      outlet.sendIcmpError(packet.mac, packet, IcmpType.unreachable, code);
      return undefined;
    }
    if (!this.#take(packet.mac)) {
      stats.limited += 1;
      return undefined;
    }
    const socket = createSocket("udp4");
    const flow: Flow = {
      key,
      owner: packet.mac,
      mac: packet.mac,
      latest: packet,
      socket,
      early: [],
      usedMs: clock.now(),
    };
    this.#flows.set(key, flow);
    stats.udpFlows += 1;
    this.#listen(flow, datagram);
    socket.connect(route.port, formatAddress(route.address), (error?: Error) => {
      if (error !== undefined) {
        this.#failed(flow);
        return;
      }
      const early = flow.early ?? [];
      flow.early = undefined;
      for (const payload of early) this.#send(flow, payload);
    });
    return flow;
  }

  #listen(flow: Flow, datagram: UdpDatagram): void {
    const { outlet } = this.#context;
    const ports = {
      sourcePort: datagram.destinationPort,
      destinationPort: datagram.sourcePort,
    };
    flow.socket.on("message", (payload) => {
      const { source, destination } = flow.latest;
      outlet.sendUdp(flow.mac, { source: destination, destination: source }, ports, payload);
      this.#use(flow);
    });
    flow.socket.on("error", () => this.#failed(flow));
  }

  /** The host's network said no to the latest datagram: nothing listens, or there is no way. */
  #failed(flow: Flow): void {
    if (this.#flows.get(flow.key) !== flow) return;
    const { outlet } = this.#context;
    outlet.sendIcmpError(flow.mac, flow.latest, IcmpType.unreachable, Unreachable.port);
    this.#close(flow);
  }

  #send(flow: Flow, payload: Uint8Array): void {
    if (this.#flows.get(flow.key) !== flow) return;
    if (flow.socket.getSendQueueSize() + payload.length > MAX_UDP_QUEUE_BYTES) {
      this.#context.stats.limited += 1;
      return;
    }
    flow.socket.send(payload, (error) => {
      if (error) this.#failed(flow);
    });
  }

  /** Takes a place for a member's flow, if need be that of its least recently used one. */
  #take(owner: MacAddress): boolean {
    if (this.#quota.take(owner)) return true;
    for (const flow of this.#flows.values()) {
      if (flow.owner !== owner) continue;
      this.#close(flow);
      return this.#quota.take(owner);
    }
    return false;
  }

  #use(flow: Flow): void {
    if (this.#flows.get(flow.key) !== flow) return;
    flow.usedMs = this.#context.clock.now();
    this.#flows.delete(flow.key);
    this.#flows.set(flow.key, flow);
  }

  #close(flow: Flow): void {
    if (!this.#flows.delete(flow.key)) return;
    flow.socket.close();
    this.#quota.release(flow.owner);
  }
}
