/** Answers guests' DNS queries over UDP: passes them on to the host's resolvers as they are. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { buildDnsReply, DnsCode, DnsType, isDnsAnswer, parseDnsQuery } from "../wire/dns.ts";
import type { IpAddress } from "../wire/ipv4.ts";
import type { UdpDatagram } from "../wire/udp.ts";
import type { GatewayContext, GuestPacket } from "./context.ts";
import { DNS_ADDRESS, DOMAIN, GATEWAY_ADDRESS } from "./network.ts";
import type { Quota } from "./quota.ts";
import type { Resolver } from "./resolvers.ts";

/** How long one resolver may take. A guest's own resolver asks again after five seconds. */
export const RESOLVER_TIMEOUT_MS = 1500;

/** Resolvers asked in turn, so that an answer or a failure comes before the guest asks again. */
export const MAX_RESOLVERS = 3;

/** A local name can be asked for again at no cost. */
const LOCAL_TTL_SECONDS = 60;

/** Names of the LAN itself, with and without its domain. */
const LOCAL_NAMES: ReadonlyMap<string, IpAddress> = new Map([
  ["gateway", GATEWAY_ADDRESS],
  ["host", GATEWAY_ADDRESS],
  ["dns", DNS_ADDRESS],
]);

type Reply = (payload: Uint8Array) => void;

export class DnsForwarder {
  readonly #context: GatewayContext;
  readonly #quota: Quota;
  readonly #cancels = new Set<() => void>();

  constructor(context: GatewayContext, quota: Quota) {
    this.#context = context;
    this.#quota = quota;
  }

  /** A datagram to the name server's port of a gateway address. */
  receive(packet: GuestPacket, datagram: UdpDatagram): void {
    const { outlet, stats } = this.#context;
    const query = datagram.payload;
    const question = parseDnsQuery(query);
    if (question === undefined) {
      stats.malformed += 1;
      return;
    }
    stats.dnsQueries += 1;
    const between = { source: packet.destination, destination: packet.source };
    const ports = { sourcePort: datagram.destinationPort, destinationPort: datagram.sourcePort };
    const reply: Reply = (payload) => outlet.sendUdp(packet.mac, between, ports, payload);
    const local = localAddress(question.name);
    if (local !== undefined) {
      // A name without an address of the wanted type has an empty answer, not none.
      const answer =
        question.type === DnsType.a ? { address: local, ttlSeconds: LOCAL_TTL_SECONDS } : undefined;
      reply(buildDnsReply(query, question, DnsCode.noError, answer));
      return;
    }
    if (!this.#quota.take(packet.mac)) {
      stats.limited += 1;
      return;
    }
    void this.#ask(query, question.id).then((answer) => {
      this.#quota.release(packet.mac);
      if (answer === undefined) stats.dnsFailures += 1;
      reply(answer ?? buildDnsReply(query, question, DnsCode.serverFailure));
    });
  }

  close(): void {
    for (const cancel of this.#cancels) cancel();
  }

  async #ask(query: Uint8Array, id: number): Promise<Uint8Array | undefined> {
    for (const resolver of this.#context.resolvers.slice(0, MAX_RESOLVERS)) {
      const answer = await this.#askOne(resolver, query, id);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  /** The answer, or undefined after a timeout or an error. Never rejects. */
  #askOne(resolver: Resolver, query: Uint8Array, id: number): Promise<Uint8Array | undefined> {
    // A socket for each query has a port that nobody can guess (RFC 5452 9.2).
    const socket: Socket = createSocket(isIPv6(resolver.address) ? "udp6" : "udp4");
    return new Promise<Uint8Array | undefined>((resolve) => {
      const timer = setTimeout(() => finish(undefined), RESOLVER_TIMEOUT_MS);
      const cancel = () => finish(undefined);
      let finished = false;
      const finish = (answer: Uint8Array | undefined) => {
        if (finished) return;
        finished = true;
        clearTimeout(timer);
        this.#cancels.delete(cancel);
        socket.close();
        resolve(answer);
      };
      this.#cancels.add(cancel);
      socket.on("error", cancel);
      socket.on("message", (answer) => {
        if (isDnsAnswer(answer, id)) finish(answer);
      });
      socket.connect(resolver.port, resolver.address, (error?: Error) => {
        if (error !== undefined) cancel();
        else if (!finished) socket.send(query, (failure) => failure && cancel());
      });
    });
  }
}

function localAddress(name: string): IpAddress | undefined {
  const suffix = `.${DOMAIN}`;
  return LOCAL_NAMES.get(name.endsWith(suffix) ? name.slice(0, -suffix.length) : name);
}
