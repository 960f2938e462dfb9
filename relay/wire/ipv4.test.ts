import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addWords, finishChecksum } from "../../src/packet/checksum.ts";
import {
  formatAddress,
  IPV4_HEADER,
  Ipv4Flag,
  parseAddress,
  parseIpv4,
  WHOLE,
  writeIpv4,
} from "./ipv4.ts";

const between = { source: 0x0a00_020f, destination: 0x0808_0808 };

function packetOf(payload: number[], part = WHOLE): Uint8Array {
  const bytes = new Uint8Array(IPV4_HEADER + payload.length);
  bytes.set(payload, IPV4_HEADER);
  writeIpv4(bytes, 0, 17, between, part);
  return bytes;
}

/** Repairs the checksum after a change, so that the change alone is judged. */
function sealed(bytes: Uint8Array, headerLength = IPV4_HEADER): Uint8Array {
  bytes[10] = 0;
  bytes[11] = 0;
  const checksum = finishChecksum(addWords(0, bytes, 0, headerLength));
  bytes[10] = checksum >>> 8;
  bytes[11] = checksum;
  return bytes;
}

describe("parseIpv4", () => {
  it("reads the packet it wrote", () => {
    expect(parseIpv4(packetOf([1, 2, 3]), 0)).toMatchObject({
      ...between,
      protocol: 17,
      timeToLive: 64,
      fragment: false,
      payload: Uint8Array.of(1, 2, 3),
    });
  });

  it("leaves Ethernet padding out", () => {
    const padded = new Uint8Array(46);
    padded.set(packetOf([1, 2, 3]));
    expect(parseIpv4(padded, 0)?.payload).toEqual(Uint8Array.of(1, 2, 3));
  });

  it("skips options", () => {
    const bytes = new Uint8Array(IPV4_HEADER + 4 + 1);
    writeIpv4(bytes, 0, 17, between, WHOLE);
    bytes[0] = 0x46;
    bytes[24] = 9;
    const packet = parseIpv4(sealed(bytes, 24), 0);
    expect(packet?.header.length).toBe(24);
    expect(packet?.payload).toEqual(Uint8Array.of(9));
  });

  it.each([
    ["version 6", 0, 0x65],
    ["a header of 16 bytes", 0, 0x44],
    ["a header longer than the packet", 0, 0x4f],
    ["a total length beyond the frame", 3, 24],
    ["a total length below the header's", 3, 19],
  ])("refuses %s", (_what, at, value) => {
    const bytes = packetOf([1, 2, 3]);
    bytes[at] = value;
    expect(parseIpv4(sealed(bytes), 0)).toBeUndefined();
  });

  it("refuses a wrong checksum", () => {
    const bytes = packetOf([]);
    bytes[8] -= 1;
    expect(parseIpv4(bytes, 0)).toBeUndefined();
  });

  it("knows first, middle and last parts of a datagram", () => {
    const flags = Ipv4Flag.moreFragments;
    for (const part of [
      { identification: 1, fragmentOffset: 0, flags },
      { identification: 1, fragmentOffset: 8, flags },
      { identification: 1, fragmentOffset: 8, flags: 0 },
    ]) {
      expect(parseIpv4(packetOf([1], part), 0)?.fragment).toBe(true);
    }
  });

  it("takes any bytes without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(90), (bytes, offset) => {
        parseIpv4(bytes, offset);
      }),
    );
  });
});

describe("addresses", () => {
  it("reads what it formats", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (address) => {
        expect(parseAddress(formatAddress(address))).toBe(address);
      }),
    );
  });

  it.each(["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.0x4", "1.2.3.", "::1"])(
    "refuses %j",
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});
