import { afterEach, describe, expect, it } from "vitest";
import { icmpOf, ipv4Of, udpOf } from "../testing/guest.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { closedPort, Rig, type RigOptions, udpServer } from "../testing/rig.ts";
import { IcmpType, Unreachable } from "../wire/icmp.ts";
import { parseAddress } from "../wire/ipv4.ts";
import { MEMBER_LIMITS, TICK_MS } from "./gateway.ts";
import { GATEWAY_ADDRESS } from "./network.ts";
import { MAX_UDP_QUEUE_BYTES, UDP_IDLE_MS } from "./udp-nat.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function setUp(options: RigOptions = {}) {
  const server = await udpServer((payload) => Buffer.concat([Buffer.from("echo "), payload]));
  const rig = new Rig({ allow: [`host:${server.port}`], ...options });
  cleanups.push(() => server.close());
  cleanups.push(() => rig.close());
  return { rig, guest: rig.guest, port: server.port };
}

describe("datagrams", () => {
  it("reach the host and come back to the port they came from", async () => {
    const { guest, port } = await setUp();
    guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("one"), 1111);
    guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("two"), 2222);
    const answers = [await guest.expect(udpOf), await guest.expect(udpOf)];
    const texts = answers.map((a) => `${a.destinationPort} ${Buffer.from(a.payload)}`).sort();
    expect(texts).toEqual(["1111 echo one", "2222 echo two"]);
    expect(answers[0]).toMatchObject({
      sourcePort: port,
      packet: { source: GATEWAY_ADDRESS, destination: guest.address },
    });
  });

  it("that are too large for the LAN come back in parts", async () => {
    const { guest, port } = await setUp();
    const payload = Buffer.alloc(1400, "a");
    guest.sendUdp(GATEWAY_ADDRESS, port, payload);
    expect((await guest.expect(udpOf)).payload.length).toBe(1405);
    const large = Buffer.alloc(4000, 7);
    guest.sendUdp(GATEWAY_ADDRESS, port, large);
    const parts = [
      await guest.expect(ipv4Of),
      await guest.expect(ipv4Of),
      await guest.expect(ipv4Of),
    ];
    expect(parts.every((part) => part.fragment)).toBe(true);
    const joined = Buffer.concat(parts.map((part) => part.payload));
    expect(joined.subarray(8).toString("latin1")).toBe(`echo ${large.toString("latin1")}`);
  });

  it("to a closed port are answered with what the host heard", async () => {
    const port = await closedPort();
    const { guest, rig } = await setUp({ allow: [`host:${port}`] });
    guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("x"));
    const error = await guest.expect(icmpOf);
    expect(error).toMatchObject({ type: IcmpType.unreachable, code: Unreachable.port });
    expect(rig.gateway.stats.openUdp).toBe(0);
  });

  it("that the host cannot send are answered, too", async () => {
    const { guest, rig } = await setUp({ allow: ["127.0.0.0/8"] });
    // A broadcast address, which takes a permission that the gateway's sockets do not have.
    guest.sendUdp(parseAddress("127.255.255.255")!, 9, Buffer.from("x"));
    expect(await guest.expect(icmpOf)).toMatchObject({ type: IcmpType.unreachable });
    expect(rig.gateway.stats).toMatchObject({ openUdp: 0, faults: 0 });
  });

  it("that the policy refuses are answered so", async () => {
    const { guest, rig } = await setUp({ allow: [] });
    for (const address of ["10.0.2.2", "192.168.0.1", "10.0.2.99"]) {
      guest.sendUdp(parseAddress(address)!, 9, Buffer.from("x"));
      const error = await guest.expect(icmpOf);
      expect(error).toMatchObject({ type: IcmpType.unreachable, code: Unreachable.prohibited });
    }
    expect(rig.gateway.stats).toMatchObject({ refused: 3, openUdp: 0 });
  });
});

describe("flows", () => {
  it("end when nobody uses them", async () => {
    const clock = new ManualClock();
    const { guest, rig, port } = await setUp({ clock });
    guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("x"), 1);
    await guest.expect(udpOf);
    clock.advance(UDP_IDLE_MS - TICK_MS);
    guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("x"), 2);
    await guest.expect(udpOf);
    expect(rig.gateway.stats.openUdp).toBe(2);
    clock.advance(TICK_MS);
    expect(rig.gateway.stats.openUdp).toBe(1);
    clock.advance(UDP_IDLE_MS);
    expect(rig.gateway.stats.openUdp).toBe(0);
  });

  it("of one member are limited: the one used least recently makes room", async () => {
    const { guest, rig, port } = await setUp();
    for (let i = 0; i < MEMBER_LIMITS.udp + 5; i += 1) {
      guest.sendUdp(GATEWAY_ADDRESS, port, Buffer.from("x"), 1000 + i);
    }
    await guest.expect((frame) => {
      const found = udpOf(frame);
      return found?.destinationPort === 1000 + MEMBER_LIMITS.udp + 4 ? found : undefined;
    });
    expect(rig.gateway.stats.openUdp).toBe(MEMBER_LIMITS.udp);
    expect(rig.gateway.stats.faults).toBe(0);
  });

  it("take a burst without keeping more than a socket's queue", async () => {
    const { guest, rig, port } = await setUp();
    const payload = Buffer.alloc(1400);
    for (let i = 0; i < 2000; i += 1) guest.sendUdp(GATEWAY_ADDRESS, port, payload, 77);
    await guest.expect(udpOf);
    expect(2000 * 1400).toBeGreaterThan(MAX_UDP_QUEUE_BYTES);
    expect(rig.gateway.stats.limited).toBeGreaterThan(0);
    expect(rig.gateway.stats.openUdp).toBe(1);
  });
});
