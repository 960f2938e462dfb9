import { afterEach, describe, expect, it } from "vitest";
import { fabricLink, icmpOf, TestGuest, udpOf } from "../testing/guest.ts";
import { arpRequest, dhcpMessage } from "../testing/messages.ts";
import { Rig } from "../testing/rig.ts";
import { ArpOperation, parseArp } from "../wire/arp.ts";
import { DhcpType } from "../wire/dhcp.ts";
import { ETHERNET_HEADER, EtherType, parseEthernet } from "../wire/ethernet.ts";
import { buildIcmp, IcmpType, Unreachable } from "../wire/icmp.ts";
import { IPV4_HEADER, IpProtocol, Ipv4Flag, parseAddress, writeIpv4 } from "../wire/ipv4.ts";
import { DNS_ADDRESS, GATEWAY_ADDRESS, GATEWAY_MAC } from "./network.ts";

const OUTSIDE = parseAddress("1.1.1.1")!;

let rig: Rig | undefined;
afterEach(() => rig?.close());

function setUp() {
  rig = new Rig();
  return { guest: rig.guest, gateway: rig.gateway, fabric: rig.fabric };
}

function echo(data = [1, 2, 3]): Uint8Array {
  const fields = { type: IcmpType.echoRequest, code: 0, identifier: 7, sequence: 8 };
  return buildIcmp({ ...fields, data: Uint8Array.from(data) });
}

function arpOf(frame: Uint8Array) {
  if (parseEthernet(frame)?.etherType !== EtherType.arp) return undefined;
  return parseArp(frame, ETHERNET_HEADER);
}

describe("ARP", () => {
  it.each([GATEWAY_ADDRESS, DNS_ADDRESS])("answers for its addresses", async (address) => {
    const { guest } = setUp();
    guest.sendFrame(arpRequest(guest, address));
    expect(await guest.expect(arpOf)).toEqual({
      operation: ArpOperation.reply,
      senderMac: GATEWAY_MAC,
      senderAddress: address,
      targetMac: guest.mac,
      targetAddress: guest.address,
    });
  });

  it("is silent about others, and about replies", () => {
    const { guest, gateway } = setUp();
    guest.sendFrame(arpRequest(guest, GATEWAY_ADDRESS + 20));
    guest.sendFrame(arpRequest(guest, GATEWAY_ADDRESS, ArpOperation.reply));
    expect(gateway.stats.arpReplies).toBe(0);
  });
});

describe("ping", () => {
  it("is answered by the gateway and the name server", async () => {
    const { guest } = setUp();
    for (const address of [GATEWAY_ADDRESS, DNS_ADDRESS]) {
      guest.sendIpv4(address, IpProtocol.icmp, echo());
      expect(await guest.expect(icmpOf)).toMatchObject({
        type: IcmpType.echoReply,
        identifier: 7,
        sequence: 8,
        data: Uint8Array.of(1, 2, 3),
        packet: { source: address, destination: guest.address },
      });
    }
  });

  it("to the outside is refused, for it cannot be sent", async () => {
    const { guest } = setUp();
    guest.sendIpv4(OUTSIDE, IpProtocol.icmp, echo());
    const error = await guest.expect(icmpOf);
    expect(error).toMatchObject({ type: IcmpType.unreachable, code: Unreachable.prohibited });
    expect(error.data.length).toBe(IPV4_HEADER + 8);
  });

  it("that is an error itself gets no answer", () => {
    const { guest, gateway } = setUp();
    const error = { type: IcmpType.unreachable, code: 0, identifier: 0, sequence: 0 };
    guest.sendIpv4(OUTSIDE, IpProtocol.icmp, buildIcmp({ ...error, data: new Uint8Array(28) }));
    expect(gateway.stats.refused).toBe(0);
  });
});

describe("packets", () => {
  it("that have no hops left are reported, unless the gateway is their end", async () => {
    const { guest } = setUp();
    guest.sendIpv4(OUTSIDE, IpProtocol.udp, new Uint8Array(8), 1);
    expect(await guest.expect(icmpOf)).toMatchObject({ type: IcmpType.timeExceeded, code: 0 });
    guest.sendIpv4(GATEWAY_ADDRESS, IpProtocol.icmp, echo(), 1);
    expect(await guest.expect(icmpOf)).toMatchObject({ type: IcmpType.echoReply });
  });

  it("of other protocols are refused", async () => {
    const { guest } = setUp();
    guest.sendIpv4(GATEWAY_ADDRESS, 132, new Uint8Array(12));
    expect(await guest.expect(icmpOf)).toMatchObject({ code: Unreachable.protocol });
    guest.sendIpv4(OUTSIDE, 132, new Uint8Array(12));
    expect(await guest.expect(icmpOf)).toMatchObject({ code: Unreachable.prohibited });
  });

  it("that are parts of larger ones are counted and dropped", () => {
    const { guest, gateway } = setUp();
    const packet = new Uint8Array(IPV4_HEADER + 16);
    const part = { identification: 1, fragmentOffset: 0, flags: Ipv4Flag.moreFragments };
    writeIpv4(packet, 0, IpProtocol.udp, { source: guest.address, destination: OUTSIDE }, part);
    guest.sendEthernet(GATEWAY_MAC, EtherType.ipv4, packet);
    expect(gateway.stats.fragments).toBe(1);
  });

  it.each(["10.0.2.2", "10.0.2.255", "10.0.2.0", "8.8.8.8", "127.0.0.1", "0.0.0.0"])(
    "from %s are dropped",
    (address) => {
      const { fabric, gateway } = setUp();
      const liar = new TestGuest(
        fabricLink(fabric, "lan"),
        0x5254_0000_0001,
        parseAddress(address)!,
      );
      liar.sendIpv4(GATEWAY_ADDRESS, IpProtocol.icmp, echo());
      expect(gateway.stats.malformed).toBe(1);
    },
  );

  it("to groups and to all are left alone", () => {
    const { guest, gateway } = setUp();
    for (const address of ["224.0.0.251", "255.255.255.255", "10.0.2.255"]) {
      guest.sendUdp(parseAddress(address)!, 5353, Buffer.from("x"));
    }
    expect(gateway.stats).toMatchObject({ malformed: 0, refused: 0, openUdp: 0 });
  });

  it("for other members are not the gateway's concern", () => {
    const { guest, gateway } = setUp();
    guest.sendEthernet(0x5254_0000_0099, EtherType.ipv4, new Uint8Array(3));
    guest.sendEthernet(GATEWAY_MAC, 0x86dd, new Uint8Array(40));
    expect(gateway.stats.malformed).toBe(0);
  });
});

describe("DHCP", () => {
  it("is spoken on its ports only", async () => {
    const { guest, gateway } = setUp();
    const discover = dhcpMessage(guest.mac, DhcpType.discover);
    const all = parseAddress("255.255.255.255")!;
    guest.sendUdp(all, 67, discover, 1068);
    expect(gateway.stats).toMatchObject({ dhcpReplies: 0, malformed: 1 });
    guest.sendUdp(all, 67, discover, 68);
    const offer = await guest.expect(udpOf);
    expect(offer).toMatchObject({ sourcePort: 67, destinationPort: 68 });
    expect([...offer.payload.subarray(16, 20)]).toEqual([10, 0, 2, 15]);
  });
});
