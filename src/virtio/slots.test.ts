import { describe, expect, it } from "vitest";
import { Bus } from "../bus/bus.ts";
import { GuestMemory } from "../memory/guest-memory.ts";
import { EntropyDevice } from "./devices/entropy.ts";
import { SLOT_PROFILES, VirtioSlots } from "./slots.ts";
import { MAGIC, Register, Status } from "./spec.ts";
import { RecordedLine } from "./testing/driver.ts";

function create(profile: keyof typeof SLOT_PROFILES = "tabvisor") {
  const bus = new Bus();
  const memory = new GuestMemory({ buffer: new ArrayBuffer(0x1000) }, []);
  const spis: number[] = [];
  const told: string[] = [];
  const slots = new VirtioSlots(
    bus,
    memory,
    SLOT_PROFILES[profile],
    (spi) => {
      spis.push(spi);
      return new RecordedLine();
    },
    () => {},
    (level, source, text) => told.push(`${level} ${source}: ${text}`),
  );
  const device = (name = "rng") => new EntropyDevice(name, { fill: () => {} });
  const read = (gpa: number) => {
    const region = bus.find(gpa, 4);
    return region?.handler.read(gpa - region.base, 4);
  };
  return { bus, slots, spis, told, device, read };
}

describe("virtio slots", () => {
  it("gives slots lowest first, with address and SPI", () => {
    const { slots, spis, device, read } = create();
    const [a, b] = [slots.attach(device()), slots.attach(device())];
    expect([a.slot, a.base, a.spi]).toEqual([0, 0x0f00_0000, 16]);
    expect([b.slot, b.base, b.spi]).toEqual([1, 0x0f00_1000, 17]);
    expect(spis).toEqual([16, 17]);
    expect(read(b.base + Register.DeviceID)).toBe(4);
    expect(slots.occupied).toEqual([a, b]);
    expect(slots.at(1)).toBe(b);
    for (const empty of [2, -1, 32]) expect(slots.at(empty)).toBeUndefined();
  });

  it("shows an empty slot as a placeholder", () => {
    const { read, bus } = create();
    const base = 0x0f00_0000 + 31 * 0x1000;
    expect(read(base + Register.MagicValue)).toBe(MAGIC);
    expect(read(base + Register.Version)).toBe(2);
    expect(read(base + Register.DeviceID)).toBe(0);
    expect(read(base + Register.Config)).toBe(0);
    bus.find(base, 4)?.handler.write(31 * 0x1000 + Register.Status, 4, 1);
    expect(read(base + Register.Status)).toBe(0);
    expect(read(base + 0x1000)).toBeUndefined();
  });

  it("reuses a freed slot and resets its device", () => {
    const { slots, device, read } = create();
    const first = slots.attach(device("a"));
    slots.attach(device("b"));
    first.transport.write(Register.Status, 4, Status.ACKNOWLEDGE);
    first.detach();
    first.detach();
    expect(read(first.base + Register.DeviceID)).toBe(0);
    const again = slots.attach(device("c"));
    expect(again.slot).toBe(0);
    first.detach();
    expect(read(first.base + Register.DeviceID)).toBe(4);
  });

  it("gives a slot that is asked for, if it is free", () => {
    const { slots, device } = create();
    expect(slots.attach(device(), {}, 7).slot).toBe(7);
    for (const at of [7, -1, 32, 0.5]) {
      expect(() => slots.attach(device("late"), {}, at)).toThrow(`slot ${at} is not free for late`);
    }
    expect(slots.attach(device()).slot).toBe(0);
  });

  it("tells what drivers do with devices", () => {
    const { slots, device, told } = create();
    const { transport, detach } = slots.attach(device("rng0"));
    const driver = Status.ACKNOWLEDGE | Status.DRIVER;
    transport.write(Register.Status, 4, Status.ACKNOWLEDGE);
    transport.write(Register.Status, 4, driver);
    // Nothing new.
    transport.write(Register.Status, 4, driver);
    // Not offered.
    transport.write(Register.DriverFeatures, 4, 1);
    transport.write(Register.Status, 4, driver | Status.FEATURES_OK);
    transport.write(Register.Status, 4, driver | Status.FAILED);
    detach();
    expect(told).toEqual([
      "debug rng0: in slot 0",
      "debug rng0: status ACKNOWLEDGE",
      "debug rng0: status ACKNOWLEDGE | DRIVER",
      expect.stringMatching(/^warning rng0: features refused: /),
      "warning rng0: status ACKNOWLEDGE | DRIVER | FAILED",
      "debug rng0: reset by the driver, or with the machine",
      "debug rng0: slot 0 is empty",
    ]);
  });

  it("refuses the 33rd device", () => {
    const { slots, device } = create();
    for (let i = 0; i < 32; i++) slots.attach(device());
    expect(() => slots.attach(device("one too many"))).toThrow(/one too many.*all 32/);
  });

  it("has the addresses of QEMU's machine in the other profile", () => {
    const { slots, device } = create("qemu-virt");
    const attached = Array.from({ length: 8 }, () => slots.attach(device()));
    expect(attached.map(({ base }) => base)[7]).toBe(0x1000_8000);
    expect(attached.map(({ spi }) => spi)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(() => slots.attach(device())).toThrow(/all 8/);
  });
});
