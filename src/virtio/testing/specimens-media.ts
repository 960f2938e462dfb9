/** Devices that a person sees, hears and touches, for tests. */
import { GpuDevice } from "../devices/gpu.ts";
import { GpuCommand } from "../devices/gpu-protocol.ts";
import { Keyboard } from "../devices/input-kinds.ts";
import { SoundDevice } from "../devices/sound.ts";
import { filled, type HonestRequest, SPARE_PAGE, type Specimens, words } from "./specimen.ts";
import { TestDisplay } from "./test-display.ts";
import { TestSound } from "./test-sound.ts";

const gpuCommand = (type: number, ...values: number[]) => words(type, 0, 0, 0, 0, 0, ...values);

export const MEDIA_SPECIMENS: Specimens = {
  input: () => {
    const { device } = new Keyboard("keyboard0");
    return {
      device,
      stir: () => void device.send([[1, 30, 1]]),
      requests: [
        { queue: 0, writable: [8] },
        { queue: 1, readable: [Uint8Array.of(0x11, 0, 1, 0, 1, 0, 0, 0)] },
      ],
    };
  },
  sound: () => {
    const sound = new TestSound();
    const device = new SoundDevice("snd0", sound);
    const open = (stream: number): HonestRequest[] => [
      { queue: 0, readable: [words(0x101, stream, 64, 16, 0, 0x0007_0502)], writable: [4] },
      { queue: 0, readable: [words(0x102, stream)], writable: [4] },
      { queue: 0, readable: [words(0x104, stream)], writable: [4] },
    ];
    let isConnected = true;
    return {
      device,
      stir: () => {
        isConnected = !isConnected;
        device.setJack(1, isConnected);
        sound.pass();
      },
      requests: [
        { queue: 0, readable: [words(0x100, 0, 2, 32)], writable: [68] },
        { queue: 1, writable: [8] },
        ...open(0),
        { queue: 2, readable: [words(0), filled(16, 3)], writable: [8] },
        ...open(1),
        { queue: 3, readable: [words(1)], writable: [16, 8] },
        { queue: 0, readable: [words(0x105, 0)], writable: [4] },
        { queue: 0, readable: [words(0x103, 0)], writable: [4] },
      ],
    };
  },
  gpu: () => {
    const display = new TestDisplay();
    const device = new GpuDevice("gpu0", display, { width: 64, height: 64 });
    const control = (type: number, room: number, ...values: number[]) => ({
      queue: 0,
      readable: [gpuCommand(type, ...values)],
      writable: [room],
    });
    const whole = [0, 0, 32, 32];
    return {
      device,
      stir: () => {
        for (const callback of display.deferred.splice(0)) callback();
      },
      requests: [
        control(GpuCommand.GET_DISPLAY_INFO, 408),
        control(GpuCommand.GET_EDID, 1056, 0, 0),
        control(GpuCommand.RESOURCE_CREATE_2D, 24, 1, 1, 32, 32),
        control(GpuCommand.RESOURCE_ATTACH_BACKING, 24, 1, 1, SPARE_PAGE, 0, 4096, 0),
        control(GpuCommand.SET_SCANOUT, 24, ...whole, 0, 1),
        control(GpuCommand.TRANSFER_TO_HOST_2D, 24, ...whole, 0, 0, 1, 0),
        control(GpuCommand.RESOURCE_FLUSH, 24, ...whole, 1, 0),
        { queue: 1, readable: [gpuCommand(GpuCommand.UPDATE_CURSOR, 0, 1, 1, 0, 1, 0, 0, 0)] },
        control(GpuCommand.RESOURCE_DETACH_BACKING, 24, 1, 0),
        control(GpuCommand.RESOURCE_UNREF, 24, 1, 0),
      ],
    };
  },
};
