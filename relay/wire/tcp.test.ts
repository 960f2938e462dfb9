import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildSackOptions,
  buildSynOptions,
  parseTcp,
  parseTcpOptions,
  TCP_HEADER,
  TcpFlag,
  writeTcp,
} from "./tcp.ts";

const between = { source: 0x0a00_020f, destination: 0x0a00_0202 };
const ports = { sourcePort: 50_000, destinationPort: 80 };

function segmentOf(options: Uint8Array, payload: Uint8Array): Uint8Array {
  const at = TCP_HEADER + options.length;
  const bytes = new Uint8Array(at + payload.length);
  bytes.set(payload, at);
  const header = { sequence: 0xffff_ffff, acknowledgment: 5, flags: TcpFlag.ack, window: 65_535 };
  writeTcp(bytes, 0, ports, { ...header, options }, between);
  return bytes;
}

describe("parseTcp", () => {
  it("reads the segment it wrote", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (payload) => {
        const options = buildSynOptions({ mss: 1460 });
        expect(parseTcp(segmentOf(options, payload), between)).toEqual({
          ...ports,
          sequence: 0xffff_ffff,
          acknowledgment: 5,
          flags: TcpFlag.ack,
          window: 65_535,
          options,
          payload,
        });
      }),
    );
  });

  it("refuses damage, a header of 16 bytes and one that is longer than the segment", () => {
    const bytes = segmentOf(new Uint8Array(0), Uint8Array.of(1, 2));
    expect(parseTcp(bytes.subarray(0, 19), between)).toBeUndefined();
    for (const length of [4, 6]) {
      const other = bytes.slice();
      other[12] = length << 4;
      expect(parseTcp(other, between)).toBeUndefined();
    }
    bytes[20] ^= 1;
    expect(parseTcp(bytes, between)).toBeUndefined();
  });
});

describe("options", () => {
  it("reads what it built, on a boundary of four bytes", () => {
    const options = { mss: 1460, windowScale: 7, sackPermitted: true };
    const bytes = buildSynOptions(options);
    expect(bytes.length % 4).toBe(0);
    expect(parseTcpOptions(bytes)).toEqual(options);
  });

  it("skips unknown options, and stops at the end mark and at broken lengths", () => {
    expect(parseTcpOptions(Uint8Array.of(8, 4, 1, 1, 3, 3, 2))).toEqual({ windowScale: 2 });
    expect(parseTcpOptions(Uint8Array.of(0, 3, 3, 2))).toEqual({});
    expect(parseTcpOptions(Uint8Array.of(8, 0, 3, 3, 2))).toEqual({});
    expect(parseTcpOptions(Uint8Array.of(2, 4, 5))).toEqual({});
    expect(parseTcpOptions(Uint8Array.of(2))).toEqual({});
  });

  it("takes any bytes without an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void parseTcpOptions(bytes)),
    );
  });

  it("reports ranges as RFC 2018 says", () => {
    const bytes = buildSackOptions([{ start: 1, end: 0x0102_0304 }]);
    expect([...bytes]).toEqual([1, 1, 5, 10, 0, 0, 0, 1, 1, 2, 3, 4]);
  });
});
