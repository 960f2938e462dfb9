/** The name servers that the forwarder asks. */
import { getServers } from "node:dns";
import { isIP } from "node:net";
import { DNS_PORT } from "../wire/dns.ts";

export interface Resolver {
  /** An IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
}

/** The host's own resolvers. */
export function hostResolvers(): Resolver[] {
  return getServers().map(parseResolver);
}

/**
 * Reads `ADDRESS`, `IPV4:PORT` or `[IPV6]:PORT`.
 * @throws Error when it is none of these.
 */
export function parseResolver(text: string): Resolver {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const address = isIP(text) !== 0 ? text : (match?.[1] ?? match?.[2] ?? "");
  const port = isIP(text) !== 0 ? DNS_PORT : Number(match?.[3] ?? DNS_PORT);
  if (isIP(address) === 0 || port < 1 || port > 65_535) {
    throw new Error(`not the address of a name server: ${text}`);
  }
  return { address, port };
}
