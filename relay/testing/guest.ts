/** A guest for tests: its network card and the little of a network stack that tests need. */
import { WebSocket } from "ws";
import { GATEWAY_MAC } from "../gateway/network.ts";
import type { LanFabric } from "../lan.ts";
import { ETHERNET_HEADER, EtherType, parseEthernet, writeEthernet } from "../wire/ethernet.ts";
import { type IcmpMessage, parseIcmp } from "../wire/icmp.ts";
import {
  IPV4_HEADER,
  type IpAddress,
  IpProtocol,
  type Ipv4Packet,
  parseIpv4,
  WHOLE,
  writeIpv4,
} from "../wire/ipv4.ts";
import { parseTcp, type TcpSegment } from "../wire/tcp.ts";
import { buildUdp, parseUdp, type UdpDatagram } from "../wire/udp.ts";

/** Where frames go and come from. */
export interface Link {
  send(frame: Uint8Array): void;
  listen(receive: (frame: Uint8Array) => void): void;
  close(): void;
}

export const GUEST_MAC = 0x5254_0012_3456;
/** 10.0.2.15 */
export const GUEST_ADDRESS: IpAddress = 0x0a00_020f;

const WAIT_MS = 5000;

/** Connects to a relay. @throws Error when it refuses. */
export async function webSocketLink(
  url: string,
  options: { readonly origin?: string } = {},
): Promise<Link & { readonly socket: WebSocket }> {
  const socket = new WebSocket(url, options);
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  return {
    socket,
    send: (frame) => socket.send(frame),
    listen: (receive) => {
      socket.on("message", (data) => receive(data as Buffer));
    },
    close: () => socket.terminate(),
  };
}

/** Joins a fabric of the same process. */
export function fabricLink(fabric: LanFabric, name: string): Link {
  let receive: (frame: Uint8Array) => void = () => {};
  const port = fabric.join(name, {
    // Like a real link, this one does not deliver within the sender's call.
    receive: (frame) => setImmediate(() => receive(frame)),
    backlogBytes: () => 0,
  });
  return {
    send: (frame) => {
      port.send(frame);
    },
    listen: (listener) => {
      receive = listener;
    },
    close: () => port.close(),
  };
}

type Matcher<T> = (frame: Uint8Array) => T | undefined;

interface Waiter {
  readonly offer: (frame: Uint8Array) => boolean;
}

export class TestGuest {
  readonly mac: number;
  readonly address: IpAddress;
  readonly #link: Link;
  readonly #frames: Uint8Array[] = [];
  readonly #waiters = new Set<Waiter>();
  readonly #tcp = new Map<number, (segment: TcpSegment) => void>();

  constructor(link: Link, mac = GUEST_MAC, address = GUEST_ADDRESS) {
    this.#link = link;
    this.mac = mac;
    this.address = address;
    link.listen((frame) => this.#receive(frame));
  }

  /** The frames that nobody has waited for. */
  get frames(): readonly Uint8Array[] {
    return this.#frames;
  }

  close(): void {
    this.#link.close();
  }

  /** Segments to this port go to `receive` and nowhere else. */
  listenTcp(port: number, receive: (segment: TcpSegment) => void): () => void {
    this.#tcp.set(port, receive);
    return () => this.#tcp.delete(port);
  }

  sendFrame(frame: Uint8Array): void {
    this.#link.send(frame);
  }

  /** Sends the payload of a frame of our own. */
  sendEthernet(destination: number, etherType: number, payload: Uint8Array): void {
    const frame = new Uint8Array(ETHERNET_HEADER + payload.length);
    writeEthernet(frame, destination, this.mac, etherType);
    frame.set(payload, ETHERNET_HEADER);
    this.#link.send(frame);
  }

  sendIpv4(destination: IpAddress, protocol: number, payload: Uint8Array, ttl = 64): void {
    const packet = new Uint8Array(IPV4_HEADER + payload.length);
    packet.set(payload, IPV4_HEADER);
    writeIpv4(packet, 0, protocol, { source: this.address, destination }, WHOLE);
    if (ttl !== 64) setTimeToLive(packet, ttl);
    this.sendEthernet(GATEWAY_MAC, EtherType.ipv4, packet);
  }

  sendUdp(destination: IpAddress, port: number, payload: Uint8Array, sourcePort = 40_000): void {
    const between = { source: this.address, destination };
    const datagram = buildUdp({ sourcePort, destinationPort: port }, payload, between);
    this.sendIpv4(destination, IpProtocol.udp, datagram);
  }

  /** The first frame, from now or before, that `match` makes something of. */
  expect<T>(match: Matcher<T>, timeoutMs = WAIT_MS): Promise<T> {
    for (const [index, frame] of this.#frames.entries()) {
      const found = match(frame);
      if (found === undefined) continue;
      this.#frames.splice(index, 1);
      return Promise.resolve(found);
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        offer: (frame) => {
          const found = match(frame);
          if (found === undefined) return false;
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(found);
          return true;
        },
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error("the expected frame did not come"));
      }, timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  #receive(frame: Uint8Array): void {
    const segment = tcpOf(frame);
    const take = segment && this.#tcp.get(segment.destinationPort);
    if (segment !== undefined && take !== undefined) {
      take(segment);
      return;
    }
    for (const waiter of this.#waiters) if (waiter.offer(frame)) return;
    this.#frames.push(frame);
  }
}

export function ipv4Of(frame: Uint8Array): Ipv4Packet | undefined {
  if (parseEthernet(frame)?.etherType !== EtherType.ipv4) return undefined;
  return parseIpv4(frame, ETHERNET_HEADER);
}

export function udpOf(frame: Uint8Array): (UdpDatagram & { packet: Ipv4Packet }) | undefined {
  const packet = ipv4Of(frame);
  if (packet?.protocol !== IpProtocol.udp) return undefined;
  const datagram = parseUdp(packet.payload, packet);
  return datagram && { ...datagram, packet };
}

export function icmpOf(frame: Uint8Array): (IcmpMessage & { packet: Ipv4Packet }) | undefined {
  const packet = ipv4Of(frame);
  if (packet?.protocol !== IpProtocol.icmp) return undefined;
  const message = parseIcmp(packet.payload);
  return message && { ...message, packet };
}

export function tcpOf(frame: Uint8Array): TcpSegment | undefined {
  const packet = ipv4Of(frame);
  return packet?.protocol === IpProtocol.tcp ? parseTcp(packet.payload, packet) : undefined;
}

/** Changes the field and what the header's checksum makes of it (RFC 1624). */
function setTimeToLive(packet: Uint8Array, ttl: number): void {
  let sum = ((packet[10] << 8) | packet[11]) + ((packet[8] - ttl) << 8);
  sum = (sum & 0xffff) + (sum >>> 16);
  packet[8] = ttl;
  packet[10] = sum >>> 8;
  packet[11] = sum;
}
