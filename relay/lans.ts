/** The LANs of a relay: their members, and the gateway that each has. */
import type { Clock } from "./clock.ts";
import { Gateway, type GatewayOptions } from "./gateway/gateway.ts";
import type { LanFabric } from "./lan.ts";
import type { MemberStats, WebSocketMember } from "./member.ts";

/**
 * How long a LAN without members keeps its gateway: leases and connections then survive a page
 * that lost its socket and reconnects.
 */
export const LINGER_MS = 60_000;

export interface LansOptions {
  readonly clock: Clock;
  readonly fabric: LanFabric;
  /** Undefined: LANs have no gateway. */
  readonly gateway: GatewayOptions | undefined;
  readonly maxLans: number;
  readonly maxMembersPerLan: number;
}

export interface LanStats {
  readonly name: string;
  readonly members: readonly MemberStats[];
  readonly gateway: Gateway["stats"] | undefined;
}

interface Lan {
  readonly name: string;
  readonly members: Set<WebSocketMember>;
  readonly gateway: Gateway | undefined;
  /** When the last member left; undefined while there is one. */
  emptySinceMs: number | undefined;
}

export class Lans {
  readonly #options: LansOptions;
  readonly #lans = new Map<string, Lan>();

  constructor(options: LansOptions) {
    this.#options = options;
  }

  /** Whether one more member of the LAN `name` is within the limits. */
  hasRoom(name: string): boolean {
    const lan = this.#lans.get(name);
    if (lan !== undefined) return lan.members.size < this.#options.maxMembersPerLan;
    if (this.#lans.size < this.#options.maxLans) return true;
    return [...this.#lans.values()].some((other) => other.emptySinceMs !== undefined);
  }

  /** Adds the member that `create` makes once the LAN is there, with its gateway. */
  add(name: string, create: (fabric: LanFabric) => WebSocketMember): WebSocketMember {
    const lan = this.#lans.get(name) ?? this.#open(name);
    const member = create(this.#options.fabric);
    lan.members.add(member);
    lan.emptySinceMs = undefined;
    return member;
  }

  remove(name: string, member: WebSocketMember): void {
    const lan = this.#lans.get(name);
    if (lan === undefined || !lan.members.delete(member)) return;
    if (lan.members.size === 0) lan.emptySinceMs = this.#options.clock.now();
  }

  /** Closes the LANs that were empty for long enough. */
  tick(): void {
    const nowMs = this.#options.clock.now();
    for (const lan of this.#lans.values()) {
      if (nowMs - (lan.emptySinceMs ?? nowMs) >= LINGER_MS) this.#close(lan);
    }
  }

  get members(): WebSocketMember[] {
    return [...this.#lans.values()].flatMap((lan) => [...lan.members]);
  }

  stats(): LanStats[] {
    return [...this.#lans.values()].map(({ name, members, gateway }) => ({
      name,
      members: [...members].map((member) => member.stats),
      gateway: gateway?.stats,
    }));
  }

  close(): void {
    for (const lan of this.#lans.values()) this.#close(lan);
  }

  #open(name: string): Lan {
    const { fabric, gateway, maxLans } = this.#options;
    if (this.#lans.size >= maxLans) this.#closeLongestEmpty();
    const lan: Lan = {
      name,
      members: new Set(),
      gateway: gateway && new Gateway(fabric, name, gateway),
      emptySinceMs: undefined,
    };
    this.#lans.set(name, lan);
    return lan;
  }

  #closeLongestEmpty(): void {
    const empty = [...this.#lans.values()].filter((lan) => lan.emptySinceMs !== undefined);
    const [longest] = empty.sort((a, b) => a.emptySinceMs! - b.emptySinceMs!);
    if (longest !== undefined) this.#close(longest);
  }

  #close(lan: Lan): void {
    this.#lans.delete(lan.name);
    lan.gateway?.close();
  }
}
