import { describe, expect, it } from "vitest";
import type { Machine } from "../machine/machine.ts";
import type { BalloonDevice } from "../virtio/devices/balloon.ts";
import { BalloonQueue } from "../virtio/devices/balloon.ts";
import { TestDriver } from "../virtio/testing/driver.ts";
import { PageMemoryDevices } from "./memory-devices.ts";

const MIB = 1 << 20;

/** The devices of a machine whose driver is the test. */
function start() {
  const devices = new PageMemoryDevices({ balloonMiB: 3 }, undefined, () => {});
  let attached: BalloonDevice | undefined;
  const attach = (device: BalloonDevice) => {
    attached = device;
  };
  devices.attach({ attach } as unknown as Machine);
  return { devices, driver: new TestDriver(attached!).start() };
}

/** A statistic: how many bytes are free. */
function free(bytes: number): Uint8Array {
  const entry = new DataView(new ArrayBuffer(10));
  entry.setUint16(0, 4, true);
  entry.setBigUint64(2, BigInt(bytes), true);
  return new Uint8Array(entry.buffer);
}

describe("PageMemoryDevices", () => {
  it("has no balloon unless there is to be one", () => {
    const devices = new PageMemoryDevices({}, undefined, () => {});
    devices.resize({ balloonMiB: 1, pluggedMiB: 1 });
    expect(devices.measure(false)).toBeUndefined();
  });

  it("sets the balloon's size and asks the guest now and then", () => {
    const { devices, driver } = start();
    expect(devices.measure(false)?.balloon).toEqual({ bytes: 0, targetBytes: 3 * MIB });
    devices.resize({ balloonMiB: 2, pluggedMiB: 0 });
    expect(driver.config(0, 4)).toBe(512);
    const queue = driver.queues[BalloonQueue.STATISTICS];
    queue.add([free(77)], []);
    queue.kick();
    expect(devices.measure(false)?.freeBytes).toBe(77);
    expect(queue.poll()).toHaveLength(0);
    for (let i = 0; i < 10; i++) devices.measure(false);
    expect(queue.poll()).toHaveLength(1);
    queue.add([free(78)], []);
    queue.kick();
    for (let i = 0; i < 20; i++) devices.measure(true);
    expect(queue.poll()).toHaveLength(0);
    for (let i = 0; i < 30; i++) devices.measure(true);
    expect(queue.poll()).toHaveLength(1);
  });
});
