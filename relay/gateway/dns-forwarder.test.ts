import { afterEach, describe, expect, it } from "vitest";
import { udpOf } from "../testing/guest.ts";
import { closedPort, Rig, udpServer } from "../testing/rig.ts";
import { buildDnsReply, DNS_PORT, DnsCode, parseDnsQuery } from "../wire/dns.ts";
import { MAX_RESOLVERS, RESOLVER_TIMEOUT_MS } from "./dns-forwarder.ts";
import { MEMBER_LIMITS } from "./gateway.ts";
import { DNS_ADDRESS, GATEWAY_ADDRESS } from "./network.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function queryFor(name: string, type = 1, id = 0x1234): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const header = [id >>> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  return Buffer.from([...header, ...labels, 0, 0, type, 0, 1]);
}

function setUp(...ports: number[]) {
  const rig = new Rig({ resolvers: ports.map((port) => ({ address: "127.0.0.1", port })) });
  cleanups.push(() => rig.close());
  const ask = (query: Buffer, server = DNS_ADDRESS) => {
    rig.guest.sendUdp(server, DNS_PORT, query, 3333);
    return rig.guest.expect(udpOf).then((answer) => answer.payload);
  };
  return { rig, ask };
}

async function resolver(handle: (query: Buffer) => Uint8Array | undefined): Promise<number> {
  const server = await udpServer(handle);
  cleanups.push(() => server.close());
  return server.port;
}

function answerWith(address: number) {
  return (query: Buffer) =>
    buildDnsReply(query, parseDnsQuery(query)!, DnsCode.noError, { address, ttlSeconds: 5 });
}

describe("queries", () => {
  it("are passed on as they are, and so are the answers", async () => {
    const seen: Buffer[] = [];
    const port = await resolver((query) => {
      seen.push(query);
      return answerWith(0x0102_0304)(query);
    });
    const { ask } = setUp(port);
    const query = queryFor("www.example", 28);
    expect([...(await ask(query)).subarray(-4)]).toEqual([1, 2, 3, 4]);
    expect(seen).toEqual([query]);
    await ask(queryFor("again.example"), GATEWAY_ADDRESS);
    expect(seen.length).toBe(2);
  });

  it("for the names of the LAN are answered here", async () => {
    const { ask, rig } = setUp();
    for (const name of ["gateway", "Host", "gateway.tabvisor.internal"]) {
      expect([...(await ask(queryFor(name))).subarray(-4)]).toEqual([10, 0, 2, 2]);
    }
    expect([...(await ask(queryFor("dns"))).subarray(-4)]).toEqual([10, 0, 2, 3]);
    const none = await ask(queryFor("gateway", 28));
    expect([none[3] & 15, none[7]]).toEqual([0, 0]);
    expect(rig.gateway.stats.dnsFailures).toBe(0);
  });

  it("go to the next resolver when one refuses or is silent", async () => {
    const silent = await resolver(() => undefined);
    const good = await resolver(answerWith(0x0506_0708));
    const { ask } = setUp(await closedPort(), silent, good);
    const startMs = performance.now();
    expect([...(await ask(queryFor("x.example"))).subarray(-4)]).toEqual([5, 6, 7, 8]);
    expect(performance.now() - startMs).toBeLessThan(RESOLVER_TIMEOUT_MS + 1000);
  });

  it("fail at once when there is no resolver, or none that listens", async () => {
    for (const ports of [[], [await closedPort()]]) {
      const { ask, rig } = setUp(...ports);
      const startMs = performance.now();
      const failure = await ask(queryFor("x.example"));
      expect(failure[3] & 15).toBe(DnsCode.serverFailure);
      expect(performance.now() - startMs).toBeLessThan(1000);
      expect(rig.gateway.stats.dnsFailures).toBe(1);
    }
  });

  it("fail at once when the resolver cannot be asked at all", async () => {
    const rig = new Rig({ resolvers: [{ address: "127.255.255.255", port: 53 }] });
    cleanups.push(() => rig.close());
    rig.guest.sendUdp(DNS_ADDRESS, DNS_PORT, queryFor("x.example"));
    const failure = await rig.guest.expect(udpOf, RESOLVER_TIMEOUT_MS / 2);
    expect(failure.payload[3] & 15).toBe(DnsCode.serverFailure);
  });

  it("ignore answers with another id", async () => {
    const port = await resolver((query) => {
      const answer = answerWith(1)(query);
      answer[0] ^= 1;
      return answer;
    });
    const { ask } = setUp(port);
    expect((await ask(queryFor("x.example")))[3] & 15).toBe(DnsCode.serverFailure);
  });
});

describe("limits", () => {
  it("hold for the resolvers that are asked", async () => {
    const closed = await closedPort();
    const good = await resolver(answerWith(1));
    const { ask } = setUp(...Array(MAX_RESOLVERS).fill(closed), good);
    expect((await ask(queryFor("x.example")))[3] & 15).toBe(DnsCode.serverFailure);
  });

  it("hold for the queries of one member that wait", async () => {
    const { rig } = setUp(await resolver(() => undefined));
    for (let i = 0; i < MEMBER_LIMITS.dns + 3; i += 1) {
      rig.guest.sendUdp(DNS_ADDRESS, DNS_PORT, queryFor("x.example", 1, i));
    }
    expect(rig.gateway.stats).toMatchObject({ dnsQueries: MEMBER_LIMITS.dns + 3, limited: 3 });
  });

  it("leave out what is no query", () => {
    const { rig } = setUp();
    rig.guest.sendUdp(DNS_ADDRESS, DNS_PORT, Buffer.from("?"));
    expect(rig.gateway.stats).toMatchObject({ dnsQueries: 0, malformed: 1 });
  });
});
