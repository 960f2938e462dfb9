import { describe, expect, it } from "vitest";
import { MEM_REGION_ALIGNMENT } from "../virtio/devices/mem.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { Machine } from "./machine.ts";
import { MemoryDevices, type MemoryOptions } from "./memory-devices.ts";
import { FakeHartModel } from "./testing/fake-hart.ts";

const MIB = 1 << 20;

async function start(options: MemoryOptions, images: readonly MemoryBlockBackend[]) {
  const devices = new MemoryDevices(options, images);
  const machine = new Machine({
    hart: new FakeHartModel(),
    clock: { nowMs: () => 0, wallClockMs: () => 0 },
    entropy: () => {},
    ramBytes: 32 * MIB,
    windowBytes: devices.windowBytes,
  });
  await devices.load(machine);
  devices.attach(machine);
  const { occupied } = machine.slots;
  const names = occupied.map(({ transport }) => transport.inspect().name);
  return { devices, machine, names };
}

describe("MemoryDevices", () => {
  it("are none for a machine that asks for none", async () => {
    const { devices, names } = await start({}, []);
    expect([devices.windowBytes, names]).toEqual([0, []]);
  });

  it("have just the room that they need above RAM, with what is in the images", async () => {
    const image = new Uint8Array(3 * MIB).fill(7);
    const backend = new MemoryBlockBackend({ image });
    const options = { balloonMiB: 0, hotplug: { mib: 128, pluggedMiB: 0 } };
    const { devices, machine, names } = await start(options, [backend, backend]);
    expect(devices.windowBytes).toBe((2 * 4 + 128) * MIB);
    expect(names).toEqual(["balloon0", "pmem0", "pmem1", "mem0"]);
    const [first, second, plugged] = machine.memory.windows;
    expect(plugged.base % MEM_REGION_ALIGNMENT).toBe(0);
    for (const { base } of [first, second]) {
      expect(machine.memory.view(base + image.length - 1, 1)).toEqual(Uint8Array.of(7));
    }
    expect(() => machine.openWindow(1)).toThrow(RangeError);
  });

  it("store what was written, all of it that can be, and nothing in what is for reading", async () => {
    const image = new Uint8Array(MIB);
    const [full, kept] = [0, 1].map(() => new MemoryBlockBackend({ image }));
    const readOnly = new MemoryBlockBackend({ image, readOnly: true });
    full.write = () => {
      throw new Error("full");
    };
    const { devices, machine } = await start({}, [full, readOnly, kept]);
    for (const { base } of machine.memory.windows) {
      machine.memory.write(base, Uint8Array.of(1));
    }
    await expect(devices.flush()).rejects.toThrow("full");
    expect([readOnly.bytesHeld, kept.bytesHeld > 0]).toEqual([0, true]);
  });
});
