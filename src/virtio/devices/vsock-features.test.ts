import { describe, expect, it } from "vitest";
import { bit, bits, Feature } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { VsockGuest } from "../testing/vsock-guest.ts";
import { GUEST_CID_MAX, VsockDevice, VsockFeature } from "./vsock.ts";
import { VsockType } from "./vsock-packet.ts";

const HANDLER = { readable: () => {}, writable: () => {}, closed: () => {} };

describe("the socket device", () => {
  it("has a CID that a guest may have", () => {
    expect(new TestDriver(new VsockDevice("v", 7)).config(0, 4)).toBe(7);
    expect(new TestDriver(new VsockDevice("v", 7)).config(4, 4)).toBe(0);
    for (const cid of [0, 1, 2, GUEST_CID_MAX + 1, 2 ** 32 + 3, Number.NaN]) {
      expect(() => new VsockDevice("v", cid), `${cid}`).toThrow(RangeError);
    }
  });

  it("has the kinds of sockets that were negotiated", () => {
    const { STREAM, SEQPACKET, NO_IMPLIED_STREAM } = VsockFeature;
    const kinds = (...features: number[]) => {
      const device = new VsockDevice("v");
      new VsockGuest(device, false, { accept: bit(Feature.VERSION_1) | bits(...features) });
      return [VsockType.STREAM, VsockType.SEQPACKET].filter((type) => {
        try {
          return device.connect(1, type, HANDLER) !== undefined;
        } catch {
          return false;
        }
      });
    };
    expect(kinds()).toEqual([VsockType.STREAM]);
    expect(kinds(STREAM)).toEqual([VsockType.STREAM]);
    expect(kinds(SEQPACKET)).toEqual([VsockType.STREAM, VsockType.SEQPACKET]);
    expect(kinds(SEQPACKET, NO_IMPLIED_STREAM)).toEqual([VsockType.SEQPACKET]);
    expect(kinds(NO_IMPLIED_STREAM)).toEqual([]);
  });

  it("has one listener for each port and kind", () => {
    const device = new VsockDevice("v");
    const stop = device.listen(1, VsockType.STREAM, () => undefined);
    device.listen(1, VsockType.SEQPACKET, () => undefined);
    expect(() => device.listen(1, VsockType.STREAM, () => undefined)).toThrow(/taken/);
    stop();
    device.listen(1, VsockType.STREAM, () => undefined);
  });
});
