import { beforeEach, describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { MIN_RAM_BYTES } from "../machine/machine-types.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { bit, Feature, Register, Status } from "../virtio/spec.ts";
import { SPECIMENS } from "../virtio/testing/specimens.ts";
import { STATUS_HISTORY } from "../virtio/transport-state.ts";
import { deviceCalls } from "./devices.ts";

const clock = { nowMs: () => 1234, wallClockMs: () => 0 };

let machine: Machine;
let calls: ReturnType<typeof deviceCalls>;

beforeEach(() => {
  const entropy = (bytes: Uint8Array): void => void bytes.fill(1);
  machine = new Machine({ hart: new FakeHartModel(), clock, entropy, ramBytes: MIN_RAM_BYTES });
  calls = deviceCalls({ machine, clock });
});

/** Attaches a device and gives what writes its registers. */
function attach(name: keyof typeof SPECIMENS) {
  const { slot, transport } = machine.attach(SPECIMENS[name]().device);
  const write = (register: number, value: number): void => transport.write(register, 4, value);
  return { slot, transport, write, see: () => calls.device(slot)! };
}

describe("the slots", () => {
  it("are a map with empty ones", () => {
    attach("entropy");
    const map = calls.slotMap();
    expect(map).toHaveLength(32);
    const { base, spi, intid, device } = map[0];
    expect({ base, spi, intid }).toEqual({ base: 0x0f00_0000, spi: 16, intid: 48 });
    expect(device).toMatchObject({ title: "Entropy device", stage: "reset", hasFault: false });
    expect(map[5]).toEqual({ slot: 5, base: 0x0f00_5000, spi: 21, intid: 53 });
    expect(calls.device(5)).toBeUndefined();
  });
});

describe("a device", () => {
  it.each(Object.keys(SPECIMENS))("%s has a title and named fields inside its space", (name) => {
    const { transport, see } = attach(name);
    const { title, config, configBytes } = see();
    expect(title).not.toMatch(/^Device \d/);
    const end = config.reduce((at, field) => {
      expect(field.offset).toBe(at);
      return field.offset + field.size;
    }, 0);
    expect(end).toBe(configBytes);
    const own = transport.device.features;
    const unnamed = see().features.filter(({ name: word }) => word.startsWith("bit"));
    expect(unnamed.filter((feature) => (own & bit(feature.bit)) !== 0n)).toEqual([]);
  });

  it("shows the steps of its driver and what it accepted", () => {
    const { write, see } = attach("block");
    for (const value of [1, 3]) write(Register.Status, value);
    write(Register.DriverFeaturesSel, 1);
    write(Register.DriverFeatures, 1);
    write(Register.Status, 11);
    const { status, features, registers } = see();
    expect(status.stage).toBe("FEATURES_OK");
    expect(status.history).toEqual(["reset", "ACKNOWLEDGE", "DRIVER", "FEATURES_OK"]);
    const accepted = features.filter(({ isAccepted }) => isAccepted);
    expect(accepted).toEqual([
      {
        name: "VERSION_1",
        bit: Feature.VERSION_1,
        section: "6",
        isOffered: true,
        isAccepted: true,
      },
    ]);
    expect(features.find(({ name }) => name === "FLUSH")?.section).toBe("5.2.3");
    const of = (name: string) => registers.find((register) => register.name === name)!;
    expect(of("MagicValue")).toMatchObject({ access: "R", value: 0x7472_6976, meaning: '"virt"' });
    expect(of("Status").meaning).toBe("ACKNOWLEDGE, DRIVER, FEATURES_OK");
    expect(of("DriverFeatures")).toMatchObject({ access: "W", value: 1, meaning: "VERSION_1" });
    expect(of("QueueNotify").value).toBeUndefined();
  });

  it("shows what is in its queue registers", () => {
    const { write, see } = attach("block");
    for (const value of [1, 3, 11]) write(Register.Status, value);
    write(Register.QueueNum, 64);
    write(Register.QueueDescHigh, 0xffff_ffff);
    const of = (name: string) => see().registers.find((register) => register.name === name)!;
    expect(of("QueueNum")).toMatchObject({ value: 64, meaning: "of queue 0" });
    expect(of("QueueDescHigh").value).toBe(0xffff_ffff);
    write(Register.QueueReady, 1);
    expect(see().faults[0].what).toBe("Queue 0 was refused:");
  });

  it("reads texts and numbers of its configuration", () => {
    const { see } = attach("fs");
    const [tag, queues] = see().config;
    expect(String.fromCharCode(...tag.bytes)).toMatch(/^\w+\0+$/);
    expect(tag.value).toBeUndefined();
    expect(queues).toMatchObject({ name: "num_request_queues", offset: 36, size: 4, value: 1n });
  });

  it("tells why it was refused and why it needs a reset", () => {
    const { transport, write, see } = attach("block");
    for (const value of [1, 3]) write(Register.Status, value);
    write(Register.DriverFeaturesSel, 3);
    write(Register.DriverFeatures, 0x8000_0000);
    write(Register.Status, 11);
    expect(see().faults[0].reason).toContain("were not offered");
    expect(see().features.at(-1)).toEqual({
      name: "bit 127",
      bit: 127,
      isOffered: false,
      isAccepted: true,
    });
    transport.reset();
    for (const value of [1, 3, 11, 15, 15 | Status.FAILED]) write(Register.Status, value);
    expect(see().status).toMatchObject({ stage: "DRIVER_OK", failed: true });
  });

  it("takes any selector, and keeps a bounded history", () => {
    const { write, see } = attach("net");
    for (const selector of [Register.QueueSel, Register.DriverFeaturesSel, Register.SHMSel]) {
      write(selector, 0xffff_ffff);
    }
    for (let i = 0; i < 1000; i++) write(Register.Status, i % 2);
    const { status, registers } = see();
    expect(status.history).toHaveLength(STATUS_HISTORY);
    expect(registers.find(({ name }) => name === "QueueSel")?.value).toBe(0);
    write(Register.QueueSel, 0xffff_ffff);
    expect(see().registers.find(({ name }) => name === "QueueNum")?.value).toBe(0);
  });

  it.each(Object.keys(SPECIMENS))("%s is as before when it has been looked at", (name) => {
    const { slot, transport } = attach(name);
    const before = structuredClone(transport.save());
    structuredClone(calls.device(slot));
    structuredClone(calls.slotMap());
    expect(transport.save()).toEqual(before);
  });
});
