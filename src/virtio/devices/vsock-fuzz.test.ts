/** Random packets, honest and not, against handlers that do random things: nothing may break. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Status } from "../spec.ts";
import { type Packet, VsockGuest } from "../testing/vsock-guest.ts";
import { VsockDevice } from "./vsock.ts";
import { VSOCK_RECEIVE_MAX, type VsockConnection, type VsockHandler } from "./vsock-connection.ts";
import { VsockType } from "./vsock-packet.ts";

const packet: fc.Arbitrary<Packet> = fc.record(
  {
    op: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: 7 }) },
      fc.integer({ min: 0, max: 0xffff }),
    ),
    type: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 2) }, fc.nat(0xffff)),
    srcPort: fc.constantFrom(1, 2, 3),
    dstPort: fc.constantFrom(5000, 5001, 49152, 49153),
    srcCid: fc.oneof({ weight: 15, arbitrary: fc.constant(3) }, fc.nat()),
    dstCid: fc.oneof({ weight: 15, arbitrary: fc.constant(2) }, fc.nat()),
    flags: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, fc.nat()),
    bufAlloc: fc.oneof(fc.constantFrom(0, 1, 4096, 0x4_0000, 0xffff_ffff), fc.nat()),
    fwdCnt: fc.oneof(fc.constantFrom(0, 1, 100, 0xffff_ffff), fc.nat(5000)),
    length: fc.oneof({ weight: 2, arbitrary: fc.nat(200) }, fc.constant(0xffff_ffff)),
    data: fc.uint8Array({ maxLength: 200 }),
  },
  { requiredKeys: ["op", "srcPort", "dstPort"] },
);

type Step =
  | { readonly packets: readonly Packet[] }
  | { readonly act: number; readonly on: number }
  | { readonly buffers: number; readonly size: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ packets: fc.array(packet, { maxLength: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.nat(6), on: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({ buffers: fc.nat(8), size: fc.constantFrom(40, 44, 45, 4096) }),
  },
);

it.each([false, true])("sockets outlive any guest (packed: %s)", (packed) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const device = new VsockDevice("vsock0");
      const guest = new VsockGuest(device, packed, { ramSize: 4 << 20 });
      const open: VsockConnection[] = [];
      const handler = (index: number): VsockHandler => ({
        readable: () => {
          // One reads at once, one answers, one does neither.
          if (index % 3 === 0) open[index]?.read();
          if (index % 3 === 1) open[index]?.send(new Uint8Array(100));
        },
        writable: () => open[index]?.close(),
        closed: () => open[index]?.reset(),
      });
      for (const type of [VsockType.STREAM, VsockType.SEQPACKET]) {
        device.listen(5000, type, (connection) => handler(open.push(connection) - 1));
      }
      const act = (action: number, connection: VsockConnection | undefined): void => {
        if (action === 0) open.push(device.connect(1, VsockType.STREAM, handler(open.length)));
        else if (action === 1) connection?.send(new Uint8Array(5000));
        else if (action === 2) connection?.end();
        else if (action === 3) connection?.close();
        else if (action === 4) connection?.reset();
        else connection?.read();
      };
      for (const each of steps) {
        if ("packets" in each) guest.send(...each.packets);
        else if ("act" in each) act(each.act, open[each.on]);
        else guest.offer(each.buffers, each.size);
        for (const received of guest.received()) {
          expect(received.dstCid).toBe(3);
          expect(received.length).toBe(received.data.length);
          expect(received.bufAlloc).toBeLessThanOrEqual(VSOCK_RECEIVE_MAX);
        }
      }
      expect(guest.driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
      expect(guest.driver.guardsIntact()).toBe(true);
      const { connections } = device.counters();
      guest.driver.transport.reset();
      expect(connections).toBeGreaterThanOrEqual(0);
      expect(device.counters().connections).toBe(0);
      expect(open.every((connection) => connection.isClosed)).toBe(true);
    }),
    { numRuns: 60 },
  );
});
