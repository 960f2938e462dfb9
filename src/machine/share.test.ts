import { expect, it } from "vitest";
import { DeviceType } from "../virtio/spec.ts";
import { sharedTree } from "../virtio/testing/shared-tree.ts";
import { Machine } from "./machine.ts";
import { type Share, shareDevice, shareWindowBytes } from "./share.ts";
import { FakeHartModel } from "./testing/fake-hart.ts";

const MIB = 1 << 20;

function share(how: Share) {
  const windowBytes = shareWindowBytes(how);
  const machine = new Machine({
    hart: new FakeHartModel(),
    clock: { nowMs: () => 0, wallClockMs: () => 0 },
    entropy: () => {},
    ramBytes: 32 * MIB,
    windowBytes,
  });
  const { type, name, sharedMemory } = shareDevice("fs0", how, sharedTree(), machine);
  expect(name).toBe("fs0");
  return { type, windowBytes, windows: sharedMemory?.map(({ length }) => length) ?? [] };
}

it("shares by virtio-fs, with a window in which files can be mapped if there is to be one", () => {
  const how = { protocol: "virtiofs", tag: "box" } as const;
  expect(share(how)).toEqual({ type: DeviceType.FS, windowBytes: 0, windows: [] });
  const mapped = { type: DeviceType.FS, windowBytes: 4 * MIB, windows: [4 * MIB] };
  expect(share({ ...how, daxMiB: 3 })).toEqual(mapped);
});

it("shares by 9P, which maps nothing", () => {
  const how = { protocol: "9p", tag: "box", daxMiB: 4 } as const;
  expect(share(how)).toEqual({ type: DeviceType.NINE_P, windowBytes: 0, windows: [] });
});
