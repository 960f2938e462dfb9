import { expect, it } from "vitest";
import type { Machine } from "../machine/machine.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import { DISPLAY_SIZE_MAX } from "../virtio/devices/edid.ts";
import { GpuCommand } from "../virtio/devices/gpu-protocol.ts";
import { TestDriver } from "../virtio/testing/driver.ts";
import { request } from "../virtio/testing/gpu-driver.ts";
import { MediaDevices } from "./media-devices.ts";
import type { DisplayConfig } from "./protocol.ts";
import type { Services } from "./services.ts";

/** `struct virtio_gpu_resp_display_info`: a header and 16 displays of 24 bytes; where the first has its size. */
const INFO_SIZE = 24 + 16 * 24;
const INFO_WIDTH = 24 + 8;

/** The display of a machine whose driver is the test, and what the driver is told of its size. */
function start(display: DisplayConfig) {
  const devices = new MediaDevices({ append: "", ramMiB: 1, memory: {}, display }, {
    post: () => {},
  } as unknown as Services);
  const attached: VirtioDevice[] = [];
  const attach = (device: VirtioDevice) => void attached.push(device);
  devices.attach({ attach } as unknown as Machine);
  const [queue] = new TestDriver(attached[0]).start().queues;
  const size = () => {
    const sent = queue.add([request(GpuCommand.GET_DISPLAY_INFO, [])], [INFO_SIZE]);
    queue.kick();
    queue.poll();
    const info = new DataView(queue.written(sent).buffer);
    return [info.getUint32(INFO_WIDTH, true), info.getUint32(INFO_WIDTH + 4, true)];
  };
  return { devices, size };
}

it("gives a display that is fitted the size of its place", () => {
  const { devices, size } = start({ width: 1024, height: 768, isFitted: true });
  expect(size()).toEqual([1024, 768]);
  devices.fit({ width: 801.5, height: 600.9 });
  expect(size()).toEqual([801, 600]);
  devices.fit({ width: 1, height: 1e6 });
  expect(size()).toEqual([64, DISPLAY_SIZE_MAX]);
});

it("leaves a display alone that has a size", () => {
  const { devices, size } = start({ width: 640, height: 480 });
  devices.fit({ width: 800, height: 600 });
  expect(size()).toEqual([640, 480]);
});
