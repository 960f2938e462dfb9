/** Every device, and the driver of the embedded Linux that takes it. */
import { describe, expect, it } from "vitest";
import { MEM_REGION_ALIGNMENT, MEM_SECTION_BYTES, MemDevice } from "../virtio/devices/mem.ts";
import { MemoryBlockBackend } from "../virtio/devices/memory-block-backend.ts";
import { PmemDevice } from "../virtio/devices/pmem.ts";
import { DeviceType, Status } from "../virtio/spec.ts";
import { SPECIMENS } from "../virtio/testing/specimens.ts";
import { driverOf as embeddedDriverOf, newerDriverOf } from "./testing/guest-drivers.ts";
import { hasGuest, isNewerGuest, LIMIT_MS, LinuxSession, PROMPT } from "./testing/linux-session.ts";

const driverOf = isNewerGuest ? newerDriverOf : embeddedDriverOf;

const PMEM_BYTES = 4 * 1024 * 1024;

/** Those of `LinuxSession`, and those that memory of the machine belongs to. */
const ELSEWHERE: readonly number[] = [
  DeviceType.CONSOLE,
  DeviceType.BLOCK,
  DeviceType.ENTROPY,
  DeviceType.MEM,
  DeviceType.PMEM,
];

/** Prints `NAME DRIVER` for each virtio device: its place in the device tree, and who drives it. */
const LIST =
  'for d in /sys/bus/virtio/devices/*; do echo "=$(basename $(dirname $(readlink -f $d))) $(basename $(readlink $d/driver) 2>/dev/null)"; done';

describe.skipIf(!hasGuest)("the embedded Linux", () => {
  it("drives each device by the driver that the table names", {
    timeout: 3 * LIMIT_MS,
  }, async () => {
    let pmem!: PmemDevice;
    const session = new LinuxSession({
      windowBytes: MEM_SECTION_BYTES + PMEM_BYTES,
      attach: (machine) => {
        const present = new Set(ELSEWHERE);
        for (const specimen of Object.values(SPECIMENS)) {
          const { device } = specimen();
          if (!present.has(device.type)) machine.attach(device);
          present.add(device.type);
        }
        const { memory } = machine;
        const backend = new MemoryBlockBackend({ sectors: PMEM_BYTES / 512 });
        const window = machine.openWindow(PMEM_BYTES);
        pmem = new PmemDevice("pmem0", { memory, window, backend });
        machine.attach(pmem);
        const region = machine.openWindow(MEM_SECTION_BYTES, MEM_REGION_ALIGNMENT);
        machine.attach(new MemDevice("mem0", memory, region));
      },
    });
    await pmem.load();
    await session.until(PROMPT);
    const { occupied } = session.machine.slots;
    const wanted = occupied
      .map(({ transport }) => driverOf.get(transport.device.type))
      .filter((driver) => driver !== undefined);
    // Drivers that are modules come one after the other, once the prompt is there.
    let list = "";
    for (let i = 0; i < 60 && (list.match(/=\S+ \w/g)?.length ?? 0) < wanted.length; i++) {
      list = await session.command(`sleep 0.5; ${LIST}`);
    }
    const drivers = new Map(
      [...list.matchAll(/=([0-9a-f]+)\.\S+ (\S*)/g)].map(([, base, driver]) => [base, driver]),
    );
    const types = new Set<number>();
    for (const { base, transport } of occupied) {
      const { type, name } = transport.device;
      const driver = driverOf.get(type);
      types.add(type);
      expect([name, drivers.get(base.toString(16)) ?? ""]).toEqual([name, driver ?? ""]);
      const isDriven = (transport.inspect().status & Status.DRIVER_OK) !== 0;
      expect([name, isDriven]).toEqual([name, driver !== undefined]);
    }
    expect(types).toEqual(new Set(driverOf.keys()));
  });
});
