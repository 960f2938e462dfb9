/** Leases addresses to the members of a LAN (RFC 2131 4.3). */
import { readU32, writeU16, writeU32 } from "../../src/packet/bytes.ts";
import type { Clock } from "../clock.ts";
import { buildDhcpReply, type DhcpMessage, DhcpOption, DhcpType } from "../wire/dhcp.ts";
import type { MacAddress } from "../wire/ethernet.ts";
import type { IpAddress } from "../wire/ipv4.ts";
import {
  DNS_ADDRESS,
  DOMAIN,
  FIRST_LEASE,
  GATEWAY_ADDRESS,
  LAST_LEASE,
  MTU,
  SUBNET_BROADCAST,
  SUBNET_MASK,
} from "./network.ts";

/** A day: guests renew after half of it. */
export const LEASE_SECONDS = 86_400;

/** How long an offered address waits for the request, so that offers cannot use up the pool. */
export const OFFER_MS = 30_000;

/** How long an address that a guest found in use is left alone. */
const DECLINED_MS = 600_000;

interface Lease {
  /** Undefined for an address that a guest declined. */
  readonly mac: MacAddress | undefined;
  readonly expiresMs: number;
}

/** What to answer and where the client can hear it. */
export interface DhcpReply {
  readonly payload: Uint8Array;
  /** Undefined: by broadcast. */
  readonly to: IpAddress | undefined;
}

export class DhcpServer {
  readonly #clock: Clock;
  /** The pool bounds its size. */
  readonly #leases = new Map<IpAddress, Lease>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The addresses that are leased or offered now. */
  get leased(): IpAddress[] {
    const nowMs = this.#clock.now();
    return [...this.#leases].filter(([, l]) => l.expiresMs > nowMs).map(([address]) => address);
  }

  /**
   * A guest uses this address. One that a relay before this one has leased stays its guest's, so
   * that nobody else gets it; for each guest there is one.
   */
  noteUse(mac: MacAddress, address: IpAddress): void {
    if (this.#leases.has(address) || !this.#isFreeFor(mac, address)) return;
    for (const lease of this.#leases.values()) if (lease.mac === mac) return;
    this.#leases.set(address, { mac, expiresMs: this.#clock.now() + LEASE_SECONDS * 1000 });
  }

  /** The answer to a client's message; undefined when there is none to give. */
  receive(message: DhcpMessage): DhcpReply | undefined {
    switch (message.options.get(DhcpOption.messageType)?.[0]) {
      case DhcpType.discover:
        return this.#discover(message);
      case DhcpType.request:
        return this.#request(message);
      case DhcpType.inform:
        return answer(message, DhcpType.ack, 0);
      case DhcpType.release:
        this.#end(message, message.clientAddress, undefined);
        return undefined;
      case DhcpType.decline:
        this.#end(message, addressOption(message, DhcpOption.requestedAddress), DECLINED_MS);
        return undefined;
      default:
        return undefined;
    }
  }

  #discover(message: DhcpMessage): DhcpReply | undefined {
    const wanted = addressOption(message, DhcpOption.requestedAddress);
    const address = this.#choose(message.mac, wanted);
    if (address === undefined) return undefined;
    // The lease that the client has already is not shortened by an offer.
    const known = this.#leases.get(address);
    const expiresMs = Math.max(known?.expiresMs ?? 0, this.#clock.now() + OFFER_MS);
    this.#leases.set(address, { mac: message.mac, expiresMs });
    return answer(message, DhcpType.offer, address);
  }

  #request(message: DhcpMessage): DhcpReply | undefined {
    const server = addressOption(message, DhcpOption.serverIdentifier);
    if (server !== undefined && server !== GATEWAY_ADDRESS) return undefined;
    const address =
      addressOption(message, DhcpOption.requestedAddress) ?? (message.clientAddress || undefined);
    // A client that comes back after the LAN was gone gets its address again if it is free.
    if (address === undefined || !this.#isFreeFor(message.mac, address)) {
      return answer(message, DhcpType.nak, 0);
    }
    for (const [other, lease] of this.#leases) {
      if (lease.mac === message.mac && other !== address) this.#leases.delete(other);
    }
    const expiresMs = this.#clock.now() + LEASE_SECONDS * 1000;
    this.#leases.set(address, { mac: message.mac, expiresMs });
    return answer(message, DhcpType.ack, address);
  }

  /** Ends the client's own lease, and keeps the address from others for `blockMs`. */
  #end(message: DhcpMessage, address: IpAddress | undefined, blockMs: number | undefined): void {
    if (address === undefined || this.#leases.get(address)?.mac !== message.mac) return;
    this.#leases.delete(address);
    if (blockMs === undefined) return;
    this.#leases.set(address, { mac: undefined, expiresMs: this.#clock.now() + blockMs });
  }

  /** The client's own address, the one it wants, one never used, or one whose lease is over. */
  #choose(mac: MacAddress, wanted: IpAddress | undefined): IpAddress | undefined {
    for (const [address, lease] of this.#leases) if (lease.mac === mac) return address;
    if (wanted !== undefined && this.#isFreeFor(mac, wanted)) return wanted;
    for (let address = FIRST_LEASE; address <= LAST_LEASE; address += 1) {
      if (!this.#leases.has(address)) return address;
    }
    const nowMs = this.#clock.now();
    for (const [address, lease] of this.#leases) if (lease.expiresMs <= nowMs) return address;
    return undefined;
  }

  #isFreeFor(mac: MacAddress, address: IpAddress): boolean {
    if (address < FIRST_LEASE || address > LAST_LEASE) return false;
    const lease = this.#leases.get(address);
    return lease === undefined || lease.mac === mac || lease.expiresMs <= this.#clock.now();
  }
}

function answer(message: DhcpMessage, type: number, address: IpAddress): DhcpReply {
  const options = new Map<number, Uint8Array>([
    [DhcpOption.messageType, Uint8Array.of(type)],
    [DhcpOption.serverIdentifier, u32(GATEWAY_ADDRESS)],
  ]);
  if (type !== DhcpType.nak) {
    if (address !== 0) options.set(DhcpOption.leaseTime, u32(LEASE_SECONDS));
    options.set(DhcpOption.subnetMask, u32(SUBNET_MASK));
    options.set(DhcpOption.router, u32(GATEWAY_ADDRESS));
    options.set(DhcpOption.dnsServer, u32(DNS_ADDRESS));
    options.set(DhcpOption.domainName, new TextEncoder().encode(DOMAIN));
    options.set(DhcpOption.broadcast, u32(SUBNET_BROADCAST));
    options.set(DhcpOption.interfaceMtu, u16(MTU));
  }
  // A NAK is broadcast, for the client's address is the one it may not use (RFC 2131 4.1).
  const known = message.clientAddress || (message.broadcast ? 0 : address);
  const clientAddress = type === DhcpType.nak ? 0 : message.clientAddress;
  return {
    payload: buildDhcpReply({ ...message, clientAddress, yourAddress: address, options }),
    to: type === DhcpType.nak || known === 0 ? undefined : known,
  };
}

function addressOption(message: DhcpMessage, code: number): IpAddress | undefined {
  const value = message.options.get(code);
  return value?.length === 4 ? readU32(value, 0) : undefined;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
}
