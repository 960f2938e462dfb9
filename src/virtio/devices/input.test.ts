import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Status } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import {
  INPUT_STATUS_MAX,
  INPUT_WAITING_MAX,
  type InputDescription,
  InputDevice,
  type InputEvent,
} from "./input.ts";

const DESCRIPTION: InputDescription = {
  name: "pad",
  serial: "7",
  ids: { bustype: 6, vendor: 0x1234, product: 0xabcd, version: 2 },
  properties: [1],
  events: { 1: [1, 8, 30, 0x110], 3: [0, 47] },
  axes: { 0: { min: -10, max: 0x7fff, resolution: 5 } },
};
const PACKET: InputEvent[] = [
  [3, 0, 5],
  [3, 1, -6],
];

const LAYOUTS = [
  ["split", false],
  ["packed", true],
] as const;

function create({ packed = false, buffers = 8 } = {}) {
  const device = new InputDevice("input0", DESCRIPTION);
  const driver = new TestDriver(device, { packed }).start();
  const [events, status] = driver.queues;
  let sent = Array.from({ length: buffers }, () => events.add([], [8]));
  events.kick();
  /** Events received since the last call: type, code and value of each. */
  const receive = () =>
    events.poll().map(({ id, length }) => {
      expect(length).toBe(8);
      const request = sent.find((request) => request.id === id)!;
      sent = sent.filter((other) => other !== request);
      const data = new DataView(events.written(request).buffer);
      return [data.getUint16(0, true), data.getUint16(2, true), data.getInt32(4, true)];
    });
  const offer = (count: number) => {
    for (let i = 0; i < count; i++) sent.push(events.add([], [8]));
    events.kick();
  };
  return { device, driver, events, status, receive, offer };
}

describe("the configuration space", () => {
  function read(select: number, subsel: number): number[] {
    const { driver } = create();
    driver.writeConfig(0, 1, select);
    driver.writeConfig(1, 1, subsel);
    const size = driver.config(2, 1);
    const bytes = Array.from({ length: 128 }, (_, i) => driver.config(8 + i, 1));
    expect(bytes.slice(size).every((byte) => byte === 0)).toBe(true);
    return bytes.slice(0, size);
  }

  it("has name, serial number, ids and properties", () => {
    expect(read(0x01, 0)).toEqual([...new TextEncoder().encode("pad")]);
    expect(read(0x02, 0)).toEqual([...new TextEncoder().encode("7")]);
    expect(read(0x03, 0)).toEqual([6, 0, 0x34, 0x12, 0xcd, 0xab, 2, 0]);
    expect(read(0x10, 0)).toEqual([2]);
  });

  it("has a bitmap of codes for each type of event", () => {
    const keys = read(0x11, 1);
    expect(keys).toHaveLength(0x110 / 8 + 1);
    expect([keys[0], keys[1], keys[3], keys[0x22]]).toEqual([2, 1, 0x40, 1]);
    expect(read(0x11, 3)).toEqual([1, 0, 0, 0, 0, 0x80]);
  });

  it("has the ranges of axes", () => {
    const range = new DataView(Uint8Array.from(read(0x12, 0)).buffer);
    expect([0, 4, 8, 12, 16].map((at) => range.getInt32(at, true))).toEqual([-10, 0x7fff, 0, 0, 5]);
  });

  it("is empty for all else", () => {
    for (const [select, subsel] of [
      [0, 0],
      [0x11, 0],
      [0x11, 2],
      [0x11, 255],
      [0x12, 1],
      [0x01, 1],
      [0x10, 1],
      [0x04, 0],
      [255, 255],
    ]) {
      expect(read(select, subsel)).toEqual([]);
    }
  });

  it("takes selections of two bytes, and forgets them with a reset", () => {
    const { driver } = create();
    driver.writeConfig(0, 2, 0x0311);
    expect(driver.config(0, 4)).toBe(0x0006_0311);
    driver.start();
    expect(driver.config(0, 4)).toBe(0);
    driver.writeConfig(8, 1, 1);
    expect(driver.config(8, 1)).toBe(0);
  });

  it("cuts what is longer than its room", () => {
    const device = new InputDevice("long", { ...DESCRIPTION, name: "x".repeat(300) });
    device.config.select(1, 0);
    expect(device.config.readByte(2)).toBe(128);
    expect(device.config.readByte(8 + 127)).toBe("x".charCodeAt(0));
  });
});

describe.each(LAYOUTS)("events in a %s queue", (_layout, packed) => {
  it("end with a report", () => {
    const { device, receive } = create({ packed });
    expect(device.send(PACKET)).toBe(true);
    expect(receive()).toEqual([
      [3, 0, 5],
      [3, 1, -6],
      [0, 0, 0],
    ]);
  });

  it("wait for buffers, and are dropped as whole packets", () => {
    const { device, receive, offer } = create({ packed, buffers: 4 });
    const packets = Math.floor(INPUT_WAITING_MAX / 3) + 4;
    let taken = 0;
    for (let i = 0; i < packets; i++) {
      if (device.send([[1, 30, i], PACKET[1]])) taken++;
    }
    expect(taken).toBeLessThan(packets);
    expect(device.counters()).toMatchObject({ packets: taken, dropped: packets - taken });
    let received = receive();
    while (received.length < 3 * taken) {
      offer(32);
      received = [...received, ...receive()];
    }
    for (let i = 0; i < taken; i++) {
      expect(received.slice(3 * i, 3 * i + 3)).toEqual([[1, 30, i], PACKET[1], [0, 0, 0]]);
    }
    offer(1);
    expect(receive()).toEqual([]);
    expect(device.send(PACKET)).toBe(true);
  });

  it("are for the driver that is there", () => {
    const device = new InputDevice("input0", DESCRIPTION);
    expect(device.send(PACKET)).toBe(false);
    const driver = new TestDriver(device, { packed }).start();
    expect(device.send(PACKET)).toBe(true);
    driver.start();
    driver.queues[0].add([], [8]);
    driver.queues[0].kick();
    expect(driver.queues[0].poll()).toEqual([]);
  });

  it("pass over buffers that have no room for one", () => {
    const { device, driver, events } = create({ packed, buffers: 0 });
    const small = events.add([], [7]);
    const odd = events.add([Uint8Array.of(1)], []);
    const good = [events.add([], [8]), events.add([], [3, 5]), events.add([], [100])];
    events.kick();
    device.send(PACKET);
    expect(events.poll()).toEqual([
      { id: small.id, length: 0 },
      { id: odd.id, length: 0 },
      ...good.map(({ id }) => ({ id, length: 8 })),
    ]);
    expect(driver.status & Status.DEVICE_NEEDS_RESET).toBe(0);
  });

  it("come from the guest too, some at a time", () => {
    const { device, status } = create({ packed });
    const seen: number[][] = [];
    device.onStatus = (...event) => seen.push(event);
    const event = Uint8Array.of(0x11, 0, 1, 0, 1, 0, 0, 0);
    status.add([event], []);
    status.add([event.subarray(0, 7)], []);
    status.add([new Uint8Array(8 * (INPUT_STATUS_MAX + 5))], []);
    status.kick();
    expect(status.poll().map(({ length }) => length)).toEqual([0, 0, 0]);
    expect(seen[0]).toEqual([0x11, 1, 1]);
    expect(seen).toHaveLength(1 + INPUT_STATUS_MAX);
  });

  it("survive a save", () => {
    const { device, driver } = create({ packed, buffers: 0 });
    device.send(PACKET);
    driver.writeConfig(0, 2, 0x0311);
    const saved = structuredClone(driver.transport.save());
    const other = new InputDevice("input0", DESCRIPTION);
    const next = new TestDriver(other, { packed });
    next.memory.write(0x8000_0000, driver.bytesAt(0x8000_0000, driver.ramSize));
    next.transport.load(saved);
    expect(other.counters()).toMatchObject({ waiting: 3 });
    expect(next.config(2, 1)).toBe(6);
  });
});

describe("random buffers and packets", () => {
  const step = fc.oneof(
    fc.record({ buffers: fc.array(fc.constantFrom(0, 1, 7, 8, 9, 64), { maxLength: 6 }) }),
    fc.record({ events: fc.integer({ min: 0, max: 12 }) }),
  );
  it("never tear a packet", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.boolean(), (steps, packed) => {
        const { device, driver, events } = create({ packed, buffers: 0 });
        const requests = new Map<number, ReturnType<typeof events.add>>();
        const codes: number[] = [];
        let sent = 0;
        for (const step of steps) {
          if ("buffers" in step) {
            for (const size of step.buffers) {
              if (requests.size >= 60) break;
              const request = events.add([], [size]);
              requests.set(request.id, request);
            }
            events.kick();
          } else {
            const packet = Array.from({ length: step.events }, (): InputEvent => [1, ++sent, 1]);
            if (!device.send(packet)) sent -= step.events;
          }
          for (const { id, length } of events.poll()) {
            const written = events.written(requests.get(id)!);
            requests.delete(id);
            if (length === 0) continue;
            const data = new DataView(written.buffer);
            if (data.getUint16(0, true) === 1) codes.push(data.getUint16(2, true));
          }
        }
        expect(codes).toEqual(codes.map((_, i) => i + 1));
        expect(driver.guardsIntact()).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});
