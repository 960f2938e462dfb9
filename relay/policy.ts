/**
 * Where guests may connect to through the gateway.
 *
 * The check is on the address a socket is about to connect to, never on a name, so a name that
 * resolves to a private address (DNS rebinding) gains nothing.
 */
import { networkInterfaces } from "node:os";
import { type IpAddress, parseAddress } from "./wire/ipv4.ts";

interface Network {
  readonly base: IpAddress;
  readonly prefix: number;
}

interface AllowRule extends Network {
  readonly firstPort: number;
  readonly lastPort: number;
}

/**
 * Not reachable unless allowed: this host, its networks and what is no unicast address
 * (the special-purpose registry of RFC 6890).
 */
const DENIED_NETWORKS = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
] as const;

/** The host's own loopback, which guests reach as the gateway's address. */
export const LOOPBACK: IpAddress = 0x7f00_0001;

/** How long a list of the host's own addresses is used before it is read again. */
const OWN_ADDRESSES_AGE_MS = 10_000;

const MAX_PORT = 65_535;

export class Policy {
  readonly #denied: readonly Network[] = DENIED_NETWORKS.map((text) => parseNetwork(text));
  readonly #allowed: readonly AllowRule[];
  readonly #ownAddresses: () => ReadonlySet<IpAddress>;

  /** @throws Error on a rule that cannot be read; see parseAllowRule. */
  constructor(
    allow: readonly string[],
    ownAddresses: () => ReadonlySet<IpAddress> = cachedHostAddresses(),
  ) {
    this.#allowed = allow.map(parseAllowRule);
    this.#ownAddresses = ownAddresses;
  }

  /** Whether a guest may exchange data with this address and port. */
  allows(address: IpAddress, port: number): boolean {
    const permitted = this.#allowed.some(
      (rule) => contains(rule, address) && port >= rule.firstPort && port <= rule.lastPort,
    );
    if (permitted) return true;
    return (
      port !== 0 &&
      !this.#denied.some((network) => contains(network, address)) &&
      !this.#ownAddresses().has(address)
    );
  }
}

/**
 * Reads `ADDRESS[/PREFIX][:PORT[-PORT]]`, where `host` stands for 127.0.0.1.
 * @throws Error that names the rule when it has another form.
 */
export function parseAllowRule(text: string): AllowRule {
  const match = /^([\d.]+(?:\/\d{1,2})?|host)(?::(\d{1,5})(?:-(\d{1,5}))?)?$/.exec(text);
  if (match === null) throw new Error(`not an address with an optional prefix and port: ${text}`);
  const [, where, first, last] = match;
  const network = where === "host" ? { base: LOOPBACK, prefix: 32 } : parseNetwork(where);
  const firstPort = Number(first ?? 1);
  const lastPort = Number(last ?? first ?? MAX_PORT);
  if (firstPort < 1 || lastPort > MAX_PORT || firstPort > lastPort) {
    throw new Error(`not a range of ports: ${text}`);
  }
  return { ...network, firstPort, lastPort };
}

function parseNetwork(text: string): Network {
  const [addressText, prefixText = "32"] = text.split("/");
  const address = parseAddress(addressText);
  const prefix = Number(prefixText);
  if (address === undefined || prefix > 32) throw new Error(`not an IPv4 network: ${text}`);
  return { base: mask(address, prefix), prefix };
}

function contains(network: Network, address: IpAddress): boolean {
  return mask(address, network.prefix) === network.base;
}

function mask(address: IpAddress, prefix: number): IpAddress {
  return prefix === 0 ? 0 : (address & (0xffff_ffff << (32 - prefix))) >>> 0;
}

function cachedHostAddresses(): () => ReadonlySet<IpAddress> {
  let addresses: ReadonlySet<IpAddress> = new Set();
  let readMs = -Infinity;
  return () => {
    // Reading the interfaces is a system call, too dear for every packet of a port scan.
    if (performance.now() - readMs > OWN_ADDRESSES_AGE_MS) {
      addresses = hostAddresses();
      readMs = performance.now();
    }
    return addresses;
  };
}

/** The IPv4 addresses of this host's interfaces. */
export function hostAddresses(): Set<IpAddress> {
  const found = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const addresses = found.map((entry) => parseAddress(entry.address));
  return new Set(addresses.filter((address) => address !== undefined));
}
