import { describe, expect, it } from "vitest";
import { readU32, writeU32 } from "../../src/packet/bytes.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { type DhcpMessage, DhcpOption, DhcpType } from "../wire/dhcp.ts";
import { parseAddress } from "../wire/ipv4.ts";
import { DhcpServer, LEASE_SECONDS, OFFER_MS } from "./dhcp-server.ts";
import { FIRST_LEASE, GATEWAY_ADDRESS, LAST_LEASE } from "./network.ts";

const POOL = LAST_LEASE - FIRST_LEASE + 1;

interface Request {
  readonly mac?: number;
  readonly type: number;
  readonly wanted?: number;
  readonly server?: number;
  readonly has?: number;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

function setUp() {
  const clock = new ManualClock();
  const server = new DhcpServer(clock);
  const ask = ({ mac = 1, type, wanted, server: id, has = 0 }: Request) => {
    const options = new Map<number, Uint8Array>([[DhcpOption.messageType, Uint8Array.of(type)]]);
    if (wanted !== undefined) options.set(DhcpOption.requestedAddress, u32(wanted));
    if (id !== undefined) options.set(DhcpOption.serverIdentifier, u32(id));
    const message: DhcpMessage = {
      transaction: 1,
      broadcast: false,
      clientAddress: has,
      yourAddress: 0,
      mac,
      options,
    };
    const reply = server.receive(message);
    if (reply === undefined) return undefined;
    return { type: reply.payload[242], address: readU32(reply.payload, 16), to: reply.to };
  };
  const discover = (mac: number, wanted?: number) =>
    ask({ mac, type: DhcpType.discover, ...(wanted === undefined ? {} : { wanted }) });
  const request = (mac: number, wanted: number) => ask({ mac, type: DhcpType.request, wanted });
  return { clock, server, ask, discover, request };
}

describe("leases", () => {
  it("are the lowest free addresses, one for each member", () => {
    const { discover, request } = setUp();
    expect(discover(1)).toEqual({ type: DhcpType.offer, address: FIRST_LEASE, to: FIRST_LEASE });
    expect(discover(2)?.address).toBe(FIRST_LEASE + 1);
    expect(discover(1)?.address).toBe(FIRST_LEASE);
    expect(request(1, FIRST_LEASE)).toEqual({
      type: DhcpType.ack,
      address: FIRST_LEASE,
      to: FIRST_LEASE,
    });
  });

  it("are what the member wants, when it is free", () => {
    const { discover, request } = setUp();
    const wanted = FIRST_LEASE + 50;
    expect(discover(1, wanted)?.address).toBe(wanted);
    expect(discover(2, wanted)?.address).toBe(FIRST_LEASE);
    expect(request(2, wanted)).toEqual({ type: DhcpType.nak, address: 0, to: undefined });
    // A member that comes back to a new gateway keeps its address.
    expect(request(3, FIRST_LEASE + 70)?.type).toBe(DhcpType.ack);
  });

  it.each(["10.0.2.2", "10.0.2.14", "10.0.2.255", "192.168.0.1"])("are never %s", (address) => {
    const { request } = setUp();
    expect(request(1, parseAddress(address)!)?.type).toBe(DhcpType.nak);
  });

  it("begin with the use of an address that a relay before this one has leased", () => {
    const { server, discover, request } = setUp();
    server.noteUse(1, FIRST_LEASE);
    expect(server.leased).toEqual([FIRST_LEASE]);
    expect(discover(2)?.address).toBe(FIRST_LEASE + 1);
    // One for each member, inside the pool, and not another's.
    server.noteUse(1, FIRST_LEASE + 5);
    server.noteUse(3, LAST_LEASE + 1);
    server.noteUse(3, FIRST_LEASE);
    expect(server.leased).toEqual([FIRST_LEASE, FIRST_LEASE + 1]);
    expect(request(1, FIRST_LEASE)?.type).toBe(DhcpType.ack);
  });

  it("are renewed to the address that the member has", () => {
    const { ask, request } = setUp();
    request(1, FIRST_LEASE);
    expect(ask({ type: DhcpType.request, has: FIRST_LEASE })).toEqual({
      type: DhcpType.ack,
      address: FIRST_LEASE,
      to: FIRST_LEASE,
    });
  });

  it("are one for a member: a new one ends the old one", () => {
    const { server, request } = setUp();
    request(1, FIRST_LEASE);
    request(1, FIRST_LEASE + 1);
    expect(server.leased).toEqual([FIRST_LEASE + 1]);
  });
});

describe("the end of leases", () => {
  it("comes with their release, by their owner only", () => {
    const { server, ask, request } = setUp();
    request(1, FIRST_LEASE);
    expect(ask({ mac: 2, type: DhcpType.release, has: FIRST_LEASE })).toBeUndefined();
    expect(server.leased).toEqual([FIRST_LEASE]);
    ask({ mac: 1, type: DhcpType.release, has: FIRST_LEASE });
    expect(server.leased).toEqual([]);
  });

  it("by a member that declines leaves the address alone for a while", () => {
    const { ask, discover, request } = setUp();
    request(1, FIRST_LEASE);
    ask({ type: DhcpType.decline, wanted: FIRST_LEASE });
    expect(discover(1)?.address).toBe(FIRST_LEASE + 1);
    expect(request(2, FIRST_LEASE)?.type).toBe(DhcpType.nak);
  });

  it("makes room again in a pool that ran out, as that of offers does", () => {
    const { clock, discover, request, server } = setUp();
    for (let mac = 1; mac <= POOL; mac += 1) expect(discover(mac)).toBeDefined();
    expect(discover(POOL + 1)).toBeUndefined();
    request(1, FIRST_LEASE);
    clock.advance(OFFER_MS);
    expect(discover(POOL + 1)?.address).toBe(FIRST_LEASE + 1);
    expect(request(POOL + 2, FIRST_LEASE)?.type).toBe(DhcpType.nak);
    clock.advance(LEASE_SECONDS * 1000);
    expect(request(POOL + 2, FIRST_LEASE)?.type).toBe(DhcpType.ack);
    expect(server.leased.length).toBe(1);
  });
});

describe("messages", () => {
  it("to another server are not answered", () => {
    const { ask } = setUp();
    const request = { type: DhcpType.request, wanted: FIRST_LEASE };
    expect(ask({ ...request, server: 1 })).toBeUndefined();
    expect(ask({ ...request, server: GATEWAY_ADDRESS })?.type).toBe(DhcpType.ack);
  });

  it("that ask for information get no address", () => {
    const { ask } = setUp();
    const has = parseAddress("10.0.2.9")!;
    expect(ask({ type: DhcpType.inform, has })).toEqual({
      type: DhcpType.ack,
      address: 0,
      to: has,
    });
  });

  it("of unknown types are not answered", () => {
    const { ask } = setUp();
    expect(ask({ type: 99 })).toBeUndefined();
    expect(ask({ type: DhcpType.offer })).toBeUndefined();
  });
});
