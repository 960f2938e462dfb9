import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { SPI_BASE, SPI_COUNT } from "../irq/distributor.ts";
import { Machine } from "../machine/machine.ts";
import { MIN_RAM_BYTES } from "../machine/machine-types.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { toFrames } from "../packet/frames.ts";
import { PACKET_HEADER, PacketLayout, packetFault } from "../packet/header.ts";
import { tcpPacket } from "../packet/testing/packets.ts";
import { BlockDevice } from "../virtio/devices/block.ts";
import type { BlockBackend } from "../virtio/devices/block-backend.ts";
import { BlockStatus, BlockType } from "../virtio/devices/block-request.ts";
import { BlockSwitch } from "../virtio/devices/block-switch.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { NetDevice } from "../virtio/devices/net.ts";
import { NetWire } from "../virtio/devices/net-wire.ts";
import { Register } from "../virtio/spec.ts";
import { header, pattern, startBlock } from "../virtio/testing/block-driver.ts";
import { TestDriver } from "../virtio/testing/driver.ts";
import { ARMED_MAX, DELAY_MAX_MS, type DiskFault, FAULT_COUNT_MAX, faultCalls } from "./faults.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** A machine whose time passes when the test says so. */
function create() {
  const clock = { nowMs: () => 0, wallClockMs: () => 0 };
  const machine = new Machine({
    hart: new FakeHartModel(),
    clock,
    entropy: () => {},
    ramBytes: MIN_RAM_BYTES,
  });
  const told: string[] = [];
  const sleeping: { ms: number; wake: () => void }[] = [];
  const point = new BlockSwitch(new MemoryBlockBackend({ sectors: 64 }));
  const sent: Uint8Array[] = [];
  const network = {
    takesPackets: false,
    send: (bytes: Uint8Array) => sent.push(bytes.slice()) > 0,
  };
  const wire = new NetWire(network);
  const card = new NetDevice("net0", wire, { mac: MAC, queuePairs: 1 });
  wire.connect(card);
  const subject = {
    machine,
    clock,
    report: (_level: string, source: string, text: string) => told.push(`${source}: ${text}`),
    backends: {
      disks: new Map([["blk0", point]]),
      wires: new Map([["net0", wire]]),
    },
    sleep: (ms: number, wake: () => void) => {
      sleeping.push({ ms, wake });
      return () => {};
    },
  };
  return { machine, told, sleeping, point, network, sent, wire, card, subject };
}

let world: ReturnType<typeof create>;
let calls: ReturnType<typeof faultCalls>;

beforeEach(() => {
  world = create();
  calls = faultCalls(world.subject);
});

describe("faults of a disk", () => {
  it("do not show in what the device offers", () => {
    const poor: BlockBackend = {
      sectors: 8,
      readOnly: false,
      id: "",
      read: () => {},
      write: () => {},
      flush: () => {},
    };
    const rich: BlockBackend = {
      ...poor,
      discard: () => {},
      writeZeroes: () => {},
      secureErase: () => {},
      lifetime: () => ({ preEol: 0, wearA: 0, wearB: 0 }),
    };
    const offered = (backend: BlockBackend) => new BlockDevice("blk0", backend).features;
    for (const disk of [poor, rich]) expect(offered(new BlockSwitch(disk))).toBe(offered(disk));
    expect(offered(poor)).not.toBe(offered(rich));
  });

  it("fail the next requests with IOERR, and those alone", () => {
    const { run } = startBlock(world.point);
    calls.armDiskFault("blk0", { operation: "write", effect: "fail", requests: 2 });
    const write = (seed: number) => run([header(BlockType.OUT, 3), pattern(512, seed)], [1]).status;
    const read = () => run([header(BlockType.IN, 3)], [513]);
    expect([write(1), read().status, write(2)]).toEqual([
      BlockStatus.IOERR,
      BlockStatus.OK,
      BlockStatus.IOERR,
    ]);
    // What was told to have failed was not done, and what was acknowledged stays.
    expect(read().data.subarray(0, 512)).toEqual(new Uint8Array(512));
    expect(write(3)).toBe(BlockStatus.OK);
    expect(read().data.subarray(0, 512)).toEqual(pattern(512, 3));
    expect(world.point.via).toBe(world.point.disk);
    expect(calls.faults().armed).toEqual([]);
    expect(world.told).toEqual([
      "blk0: fault armed: write fails, for the next 2",
      "blk0: fault met: write fails",
      "blk0: fault met: write fails",
      "blk0: fault over: write fails",
    ]);
  });

  it("never lose what was acknowledged, and do nothing of what was not", async () => {
    const step = fc.oneof(
      fc.record({ write: fc.nat(7), seed: fc.integer({ min: 1, max: 255 }) }),
      fc.record({
        arm: fc.constantFrom("read", "write", "flush"),
        effect: fc.constantFrom("fail", "delay"),
        requests: fc.integer({ min: 1, max: 5 }),
      }),
      fc.constant("clear" as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { point, sleeping, subject } = create();
        const { armDiskFault, clearFault, faults } = faultCalls(subject);
        const expected = Array.from({ length: 8 }, () => 0);
        for (const what of steps) {
          if (what === "clear") {
            for (const { id } of faults().armed) clearFault(id);
          } else if ("arm" in what) {
            const { arm: operation, effect, requests } = what;
            if (faults().armed.length === ARMED_MAX) continue;
            armDiskFault("blk0", { operation, effect, requests, delayMs: 1 } as DiskFault);
          } else {
            try {
              const answer = point.write(what.write, [new Uint8Array(512).fill(what.seed)]);
              for (const { wake } of sleeping.splice(0)) wake();
              await answer;
              expected[what.write] = what.seed;
            } catch {}
          }
        }
        const found = new Uint8Array(8 * 512);
        const write = (at: number, bytes: Uint8Array) => found.set(bytes, at);
        await point.disk.read(0, { length: found.length, alive: true, write, zero: () => {} });
        expect(expected.map((_, sector) => found[sector * 512])).toEqual(expected);
      }),
    );
  });

  it("delay the answer and not the work, so that nothing is overtaken", async () => {
    const { queue } = startBlock(world.point);
    calls.armDiskFault("blk0", { operation: "write", effect: "delay", requests: 1, delayMs: 500 });
    queue.add([header(BlockType.OUT, 0), pattern(512)], [1]);
    queue.kick();
    await Promise.resolve();
    expect(queue.poll()).toEqual([]);
    const done = new Uint8Array(512);
    await world.point.disk.read(0, {
      length: 512,
      alive: true,
      write: (at, bytes) => done.set(bytes, at),
      zero: () => {},
    });
    expect(done).toEqual(pattern(512));
    expect(world.sleeping.map(({ ms }) => ms)).toEqual([500]);
    world.sleeping[0].wake();
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(queue.poll()).toHaveLength(1);
  });

  it("can be cleared, by another inspector too", () => {
    const id = calls.armDiskFault("blk0", { operation: "flush", effect: "fail", requests: 5 });
    const other = faultCalls(world.subject);
    expect(other.faults().armed).toEqual([
      { id, device: "blk0", text: "flush fails", left: 5, hits: 0 },
    ]);
    other.clearFault(id);
    other.clearFault(id);
    expect(calls.faults().armed).toEqual([]);
    expect(world.point.via).toBe(world.point.disk);
  });

  it("are refused when they make no sense, or are too many", () => {
    const fault = { operation: "read", effect: "fail", requests: 1 } as const;
    expect(() => calls.armDiskFault("blk1", fault)).toThrow("no disk blk1");
    for (const requests of [0, -1, 0.5, Number.NaN, FAULT_COUNT_MAX + 1]) {
      expect(() => calls.armDiskFault("blk0", { ...fault, requests })).toThrow(RangeError);
    }
    for (const delayMs of [0, -1, Number.NaN, DELAY_MAX_MS + 1]) {
      const late = { ...fault, effect: "delay", delayMs } as const;
      expect(() => calls.armDiskFault("blk0", late)).toThrow(RangeError);
    }
    const other = { ...fault, operation: "erase" as "read" };
    expect(() => calls.armDiskFault("blk0", other)).toThrow("read, write, flush");
    for (let i = 0; i < ARMED_MAX; i++) calls.armDiskFault("blk0", fault);
    expect(() => calls.armDiskFault("blk0", fault)).toThrow(`${ARMED_MAX} faults`);
  });
});

describe("faults of a wire", () => {
  const frame = (length: number) => new Uint8Array(length).fill(0x55);

  /** Bits in which two frames differ. */
  const damage = (a: Uint8Array, b: Uint8Array): number[] =>
    [...a].flatMap((byte, i) => {
      const bits = byte ^ b[i];
      return [0, 1, 2, 3, 4, 5, 6, 7].flatMap((bit) => (bits & (1 << bit) ? [i] : []));
    });

  it("lose the next frames of a direction", () => {
    calls.armWireFault("net0", { direction: "send", effect: "drop", frames: 2 });
    for (let length = 60; length < 64; length++) expect(world.wire.send(frame(length))).toBe(true);
    expect(world.sent.map(({ length }) => length)).toEqual([62, 63]);
    expect(world.wire.filter).toBeUndefined();
  });

  it("lose a share of the frames until they are cleared", () => {
    const id = calls.armWireFault("net0", { direction: "both", effect: "drop", percent: 25 });
    for (let i = 0; i < 1000; i++) world.wire.send(frame(60));
    expect(world.sent.length).toBeGreaterThan(700);
    expect(world.sent.length).toBeLessThan(800);
    expect(calls.faults().armed[0]).toEqual({
      id,
      device: "net0",
      text: "25% of frames are dropped",
      hits: 1000 - world.sent.length,
    });
    calls.clearFault(id);
    world.wire.send(frame(60));
    expect(world.wire.filter).toBeUndefined();
  });

  it("change one bit behind the Ethernet header, and only in a copy", () => {
    calls.armWireFault("net0", { direction: "both", effect: "corrupt", frames: 50 });
    const original = frame(60);
    for (let i = 0; i < 50; i++) world.wire.send(original);
    expect(original).toEqual(frame(60));
    for (const sent of world.sent) {
      const [at, ...more] = damage(sent, original);
      expect(more).toEqual([]);
      expect(at).toBeGreaterThanOrEqual(14);
    }
  });

  it("damage a large packet so that its checksum shows it", () => {
    world.network.takesPackets = true;
    calls.armWireFault("net0", { direction: "send", effect: "corrupt", frames: 1 });
    const packet = tcpPacket(3000, 1000);
    const intact: Uint8Array[] = [];
    const layout = new PacketLayout();
    expect(packetFault(packet, layout)).toBeUndefined();
    toFrames(packet, layout, {
      allocate: (length) => new Uint8Array(length),
      emit: (part) => intact.push(part),
    });
    world.wire.send(packet);
    expect(world.sent).toHaveLength(intact.length);
    const empty = new Uint8Array(PACKET_HEADER);
    expect(world.sent.map((part) => part.subarray(0, PACKET_HEADER))).toEqual(
      intact.map(() => empty),
    );
    const changes = world.sent.map((part, i) => damage(part.subarray(PACKET_HEADER), intact[i]));
    expect(changes.flat()).toHaveLength(1);
  });

  it("cut the wire, which the guest sees, and mend it", () => {
    const driver = new TestDriver(world.card).start({ accept: -1n });
    const status = () => driver.device.config.readByte(6) & 1;
    world.wire.hasCarrier = true;
    expect(status()).toBe(1);
    calls.setLink("net0", false);
    expect(status()).toBe(0);
    // A network that comes and goes meanwhile does not mend it.
    world.wire.hasCarrier = false;
    world.wire.hasCarrier = true;
    expect(status()).toBe(0);
    expect(calls.faults().cards).toEqual([{ name: "net0", hasCarrier: true, isCut: true }]);
    calls.setLink("net0", true);
    expect(status()).toBe(1);
    expect(() => calls.setLink("net1", true)).toThrow("no network card net1");
  });

  it("are refused when they make no sense", () => {
    const fault = { direction: "send", effect: "drop" } as const;
    for (const wrong of [
      {},
      { frames: 1, percent: 1 },
      { frames: 0 },
      { frames: FAULT_COUNT_MAX + 1 },
      { percent: 0 },
      { percent: 101 },
      { percent: Number.NaN },
      { frames: 1, direction: "up" as "send" },
      { frames: 1, effect: "eat" as "drop" },
    ]) {
      expect(() => calls.armWireFault("net0", { ...fault, ...wrong })).toThrow(RangeError);
    }
  });
});

describe("a machine", () => {
  it("has a device unplugged, with what it acknowledged stored, and plugged again", async () => {
    const { machine, point } = world;
    let flushes = 0;
    point.disk.flush = () => void flushes++;
    machine.attach(new BlockDevice("other", new MemoryBlockBackend({ sectors: 1 })));
    const { base, slot } = machine.attach(new BlockDevice("blk0", point));
    const deviceId = () => {
      const region = machine.bus.find(base, 4)!;
      return region.handler.peek!(base - region.base + Register.DeviceID, 4);
    };
    expect(deviceId()).toBe(2);
    await calls.unplug(slot);
    expect([deviceId(), flushes]).toEqual([0, 1]);
    await expect(calls.unplug(slot)).rejects.toThrow("is empty");
    // A free slot below does not take it.
    await calls.unplug(0);
    calls.plug(slot);
    expect(deviceId()).toBe(2);
    expect(() => calls.plug(slot)).toThrow("nothing was unplugged");
    expect(calls.faults()).toMatchObject({
      plugged: [{ slot, name: "blk0" }],
      unplugged: [{ slot: 0, name: "other" }],
    });
  });

  it("gets an interrupt that no device sent", () => {
    const { distributor } = world.machine.interrupts;
    calls.pulseInterrupt(21);
    expect(distributor.pendingWord(0) >>> 21).toBe(1);
    expect(world.told).toEqual([`irq: SPI 21 (INTID ${SPI_BASE + 21}) was pulsed`]);
    for (const spi of [0, -1, 1.5, SPI_COUNT + 1]) {
      expect(() => calls.pulseInterrupt(spi)).toThrow(RangeError);
    }
  });
});
