import { describe, expect, it } from "vitest";
import { bit, InterruptBit } from "../spec.ts";
import { TestDriver } from "../testing/driver.ts";
import { GpuDriver, request } from "../testing/gpu-driver.ts";
import { TestDisplay } from "../testing/test-display.ts";
import { GPU_TURN_PIXELS, GpuDevice, GpuFeature } from "./gpu.ts";
import { GpuCommand, GpuResponse } from "./gpu-protocol.ts";

const { OK_NODATA } = GpuResponse;
/** A whole picture of 4 by 2 pixels. */
const ALL = [0, 0, 4, 2];

/** A picture of 4 by 2 pixels whose bytes count up, in a format. */
function createPicture(format = 67, packed = false) {
  const gpu = new GpuDriver({ packed });
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  gpu.driver.memory.write(gpu.picture, bytes);
  expect(gpu.create(1, format, 4, 2)).toBe(OK_NODATA);
  return gpu;
}

describe.each([
  ["split", false],
  ["packed", true],
])("a %s queue", (_layout, packed) => {
  it("shows a picture", () => {
    const gpu = createPicture(1, packed);
    expect(gpu.attach(1, [gpu.picture, 20], [gpu.picture + 20, 12])).toBe(OK_NODATA);
    expect(gpu.transfer(1, ALL)).toBe(OK_NODATA);
    expect(gpu.scanout(1, ALL)).toBe(OK_NODATA);
    expect(gpu.flush(1, [1, 0, 2, 1])).toBe(OK_NODATA);
    const { display } = gpu;
    expect(display.frame).toMatchObject({ x: 0, y: 0, width: 4, height: 2, stride: 4 });
    expect(display.presented).toEqual([
      [0, 0, 4, 2],
      [1, 0, 2, 1],
    ]);
    expect(display.pixel(0, 0)).toEqual([3, 2, 1, 255]);
    expect(display.pixel(3, 1)).toEqual([31, 30, 29, 255]);
  });

  it("moves a cursor that has a picture of its own", () => {
    const gpu = new GpuDriver({ packed });
    gpu.driver.memory.write(gpu.picture, Uint8Array.of(0, 0, 0, 0, 64, 32, 16, 128, 1, 2, 3, 255));
    gpu.create(7, 1, 64, 64);
    gpu.attach(7, [gpu.picture, 64 * 64 * 4]);
    gpu.transfer(7, [0, 0, 64, 64]);
    gpu.cursor(GpuCommand.UPDATE_CURSOR, 0, 10, 20, 0, 7, 3, 99, 0);
    const { display } = gpu;
    expect(display.cursorAt).toEqual([10, 20]);
    expect(display.cursor).toMatchObject({ hotX: 3, hotY: 63 });
    // Half-transparent colours are as strong as they were before they were multiplied.
    expect([...display.cursor!.pixels.subarray(0, 12)]).toEqual([
      0, 0, 0, 0, 32, 64, 128, 128, 3, 2, 1, 255,
    ]);
    gpu.cursor(GpuCommand.MOVE_CURSOR, 0, -5 >>> 0, 6, 0, 0, 0, 0, 0);
    expect(display.cursorAt).toEqual([-5, 6]);
    expect(display.cursor).toBeDefined();
    gpu.cursor(GpuCommand.UPDATE_CURSOR, 0, 1, 1, 0, 0, 0, 0, 0);
    expect(display.cursor).toBeUndefined();
  });
});

describe("formats", () => {
  // Of a pixel with the bytes 1, 2, 3, 4; on a screen it is opaque.
  const cases: [number, string, number[]][] = [
    [1, "B8G8R8A8", [3, 2, 1]],
    [2, "B8G8R8X8", [3, 2, 1]],
    [3, "A8R8G8B8", [2, 3, 4]],
    [4, "X8R8G8B8", [2, 3, 4]],
    [67, "R8G8B8A8", [1, 2, 3]],
    [68, "X8B8G8R8", [4, 3, 2]],
    [121, "A8B8G8R8", [4, 3, 2]],
    [134, "R8G8B8X8", [1, 2, 3]],
  ];
  it.each(cases)("%i is %s", (format, _name, pixel) => {
    const gpu = createPicture(format);
    gpu.attach(1, [gpu.picture, 32]);
    gpu.transfer(1, ALL);
    gpu.scanout(1, ALL);
    expect(gpu.display.pixel(0, 0)).toEqual([...pixel, 255]);
  });
});

describe("transfers", () => {
  it("take rows as far apart as the resource's, from an offset", () => {
    const gpu = createPicture();
    gpu.attach(1, [gpu.picture, 32]);
    gpu.scanout(1, ALL);
    expect(gpu.transfer(1, [2, 0, 2, 2], 8)).toBe(OK_NODATA);
    expect(gpu.display.pixel(1, 0)).toEqual([0, 0, 0, 255]);
    expect(gpu.display.pixel(2, 0)).toEqual([9, 10, 11, 255]);
    expect(gpu.display.pixel(3, 1)).toEqual([29, 30, 31, 255]);
    // The driver may have put the rectangle elsewhere than where it goes.
    expect(gpu.transfer(1, [0, 1, 1, 1], 4)).toBe(OK_NODATA);
    expect(gpu.display.pixel(0, 1)).toEqual([5, 6, 7, 255]);
  });

  it("put pixels together that are cut in two, or lie across words", () => {
    const gpu = createPicture();
    const { picture } = gpu;
    gpu.attach(1, [picture, 1], [picture + 1, 6], [picture, 0], [picture + 7, 25]);
    gpu.scanout(1, ALL);
    expect(gpu.transfer(1, ALL)).toBe(OK_NODATA);
    for (let i = 0; i < 8; i++) {
      const at = 4 * i + 1;
      expect(gpu.display.pixel(i % 4, i >> 2)).toEqual([at, at + 1, at + 2, 255]);
    }
    expect(gpu.transfer(1, [0, 0, 1, 1], 3)).toBe(OK_NODATA);
    expect(gpu.display.pixel(0, 0)).toEqual([4, 5, 6, 255]);
  });

  it("go through long rows of odd runs in pieces", () => {
    const gpu = new GpuDriver();
    const width = 10_000;
    const bytes = Uint8Array.from(
      { length: 4 * width },
      (_, i) => (i * 7) | (i % 4 === 3 ? 255 : 0),
    );
    gpu.driver.memory.write(gpu.picture + 1, bytes);
    gpu.create(1, 67, width, 1);
    gpu.attach(1, [gpu.picture + 1, 4 * width]);
    gpu.transfer(1, [0, 0, width, 1]);
    gpu.scanout(1, [0, 0, width, 1]);
    expect(Buffer.from(gpu.display.frame!.pixels).equals(bytes)).toBe(true);
  });
});

describe("the scanout", () => {
  it("shows a part of a resource and only what is flushed of it", () => {
    const gpu = new GpuDriver();
    gpu.create(1, 1, 100, 100);
    expect(gpu.scanout(1, [10, 20, 30, 40])).toBe(OK_NODATA);
    expect(gpu.display.frame).toMatchObject({ x: 10, y: 20, width: 30, height: 40, stride: 100 });
    gpu.display.presented.length = 0;
    gpu.flush(1, [0, 0, 100, 100]);
    gpu.flush(1, [0, 0, 12, 23]);
    gpu.flush(1, [40, 0, 60, 100]);
    gpu.create(2, 1, 10, 10);
    gpu.flush(2, [0, 0, 10, 10]);
    expect(gpu.display.presented).toEqual([
      [0, 0, 30, 40],
      [0, 0, 2, 3],
    ]);
  });

  it("shows nothing any more once it is disabled, its resource is gone, or at a reset", () => {
    const gpu = new GpuDriver();
    gpu.create(1, 1, 10, 10);
    const show = () => {
      gpu.scanout(1, [0, 0, 10, 10]);
      expect(gpu.display.frame).toBeDefined();
    };
    show();
    gpu.scanout(0, [0, 0, 0, 0]);
    expect(gpu.display.frame).toBeUndefined();
    show();
    gpu.run(GpuCommand.RESOURCE_UNREF, 1, 0);
    expect(gpu.display.frame).toBeUndefined();
    gpu.create(1, 1, 10, 10);
    show();
    gpu.driver.start();
    expect(gpu.display.frame).toBeUndefined();
    expect(gpu.device.counters()).toMatchObject({ resources: 0, resourceBytes: 0 });
  });
});

describe("the display's size", () => {
  const info = (gpu: GpuDriver) => {
    const answer = gpu.send(GpuCommand.GET_DISPLAY_INFO, [], 408);
    return [0, 4, 8, 12, 16, 24 + 16].map((at) => answer.getUint32(24 + at, true));
  };

  it("is in the display information and in the EDID", () => {
    const gpu = new GpuDriver();
    expect(gpu.driver.config(8, 4)).toBe(1);
    expect(gpu.driver.config(12, 4)).toBe(0);
    expect(info(gpu)).toEqual([0, 0, 640, 480, 1, 0]);
    const answer = gpu.send(GpuCommand.GET_EDID, [0, 0], 1056);
    expect(answer.getUint32(0, true)).toBe(GpuResponse.OK_EDID);
    expect(answer.getUint32(24, true)).toBe(128);
    expect(answer.getUint8(32 + 56)).toBe(640 & 0xff);
  });

  it("has no EDID for a driver that did not ask for one", () => {
    const gpu = new GpuDriver({ accept: ~bit(GpuFeature.EDID) });
    const answer = gpu.send(GpuCommand.GET_EDID, [0, 0], 1056);
    expect(answer.getUint32(0, true)).toBe(GpuResponse.ERR_UNSPEC);
    expect(answer.byteLength).toBe(24);
  });

  it("changes with an event that the driver clears", () => {
    const gpu = new GpuDriver();
    const { driver, device } = gpu;
    driver.acknowledge();
    device.resize({ width: 800.5, height: 600 });
    expect(driver.acknowledge()).toBe(InterruptBit.CONFIG_CHANGE);
    expect(driver.config(0, 4)).toBe(1);
    expect(info(gpu)).toEqual([0, 0, 800, 600, 1, 0]);
    driver.writeConfig(4, 4, 1);
    expect(driver.config(0, 4)).toBe(0);
    driver.acknowledge();
    device.resize({ width: 800, height: 600 });
    expect(driver.acknowledge()).toBe(0);
    device.resize({ width: 1, height: 1e9 });
    expect(info(gpu)).toEqual([0, 0, 64, 4095, 1, 0]);
  });
});

describe("fences", () => {
  const FENCE = 1;
  const RING = 2;
  const command = (flags: number) =>
    new Uint8Array(
      Uint32Array.of(GpuCommand.RESOURCE_UNREF, flags, 0x1234_5678, 0x9abc, 7, 3, 99, 0).buffer,
    );

  it("come back with the response, an error's too", () => {
    const answer = new GpuDriver().sendBytes(command(FENCE | RING));
    const words = [0, 4, 8, 12, 16, 20].map((at) => answer.getUint32(at, true));
    const error = GpuResponse.ERR_INVALID_RESOURCE_ID;
    expect(words).toEqual([error, FENCE | RING, 0x1234_5678, 0x9abc, 7, 3]);
  });

  it("are not there unless asked for", () => {
    const answer = new GpuDriver().sendBytes(command(0));
    expect([4, 8, 12, 16, 20].map((at) => answer.getUint32(at, true))).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("long work", () => {
  it("gives the host its turn, and goes on", () => {
    const gpu = new GpuDriver();
    const side = 2048;
    gpu.create(1, 1, side, side);
    // The same megabyte again and again.
    const runs = Array.from({ length: 32 }, () => [gpu.picture, 0x8_0000] as const);
    expect(gpu.attach(1, ...runs)).toBe(OK_NODATA);
    const [queue] = gpu.driver.queues;
    const count = 12;
    const transfer = request(GpuCommand.TRANSFER_TO_HOST_2D, [0, 0, side, side, 0, 0, 1, 0]);
    for (let i = 0; i < count; i++) queue.add([transfer], [24]);
    queue.kick();
    const inOneTurn = Math.ceil(GPU_TURN_PIXELS / (side * side + 1024));
    expect(queue.poll()).toHaveLength(inOneTurn);
    // A kick does not make the turn longer.
    queue.kick();
    expect(queue.poll()).toHaveLength(0);
    let done = inOneTurn;
    while (gpu.display.deferred.length > 0) {
      gpu.display.deferred.shift()?.();
      done += queue.poll().length;
    }
    expect(done).toBe(count);
    expect(gpu.device.counters()).toMatchObject({ errors: 0, deferred: count / inOneTurn });
  });

  it("is forgotten with a reset", () => {
    const gpu = new GpuDriver();
    gpu.create(1, 1, 4096, 4096);
    expect(gpu.display.deferred).toHaveLength(1);
    gpu.driver.start({ queueSize: 64 });
    gpu.display.deferred.shift()?.();
    expect(gpu.create(1, 1, 8, 8)).toBe(OK_NODATA);
  });
});

describe("a saved device", () => {
  it("goes on where it was", () => {
    const gpu = createPicture();
    gpu.attach(1, [gpu.picture, 32]);
    gpu.transfer(1, ALL);
    gpu.scanout(1, ALL);
    gpu.create(2, 1, 64, 64);
    gpu.cursor(GpuCommand.UPDATE_CURSOR, 0, 5, 6, 0, 2, 1, 2, 0);
    const saved = structuredClone(gpu.driver.transport.save());

    const display = new TestDisplay();
    const device = new GpuDevice("gpu0", display, { width: 640, height: 480 });
    const driver = new TestDriver(device, { ramSize: gpu.driver.ramSize });
    driver.memory.write(0x8000_0000, gpu.driver.bytesAt(0x8000_0000, gpu.driver.ramSize));
    driver.transport.load(saved);
    expect(display.pixel(1, 1)).toEqual([21, 22, 23, 255]);
    expect(display.cursorAt).toEqual([5, 6]);
    expect(display.cursor).toMatchObject({ hotX: 1, hotY: 2 });
    expect(device.counters()).toMatchObject({ resources: 2, resourceBytes: 32 + 16 + 64 * 64 * 4 });
    expect(driver.config(0, 4)).toBe(0);
  });

  it("tells of a display that has another size", () => {
    const gpu = createPicture();
    const saved = structuredClone(gpu.driver.transport.save());
    const device = new GpuDevice("gpu0", new TestDisplay(), { width: 800, height: 600 });
    const driver = new TestDriver(device, { ramSize: gpu.driver.ramSize });
    driver.transport.load(saved);
    // VIRTIO_GPU_EVENT_DISPLAY, and a configuration change.
    expect(driver.config(0, 4)).toBe(1);
    expect(driver.acknowledge() & 2).toBe(2);
  });
});
