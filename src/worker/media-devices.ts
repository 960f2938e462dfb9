/** What a person sees, hears and touches: display, keyboard, pointers and sound card. */
import { CanvasDisplay } from "../host/canvas-display.ts";
import { PacedSound } from "../host/paced-sound.ts";
import type { Machine } from "../machine/machine.ts";
import { type DisplaySize, GpuDevice } from "../virtio/devices/gpu.ts";
import { Keyboard, Tablet, Touchscreen } from "../virtio/devices/input-kinds.ts";
import { SoundDevice } from "../virtio/devices/sound.ts";
import type { PcmFormat } from "../virtio/devices/sound-backend.ts";
import type { BootConfig, Gesture } from "./protocol.ts";
import type { Services } from "./services.ts";

export class MediaDevices {
  readonly #services: Services;
  readonly #config: BootConfig;
  readonly #display: CanvasDisplay;
  readonly #gpu: GpuDevice | undefined;
  readonly #keyboard = new Keyboard("keyboard0");
  readonly #tablet = new Tablet("tablet0");
  readonly #touch = new Touchscreen("touch0");
  /** The page has a loudspeaker that is on. */
  #isHeard = false;

  constructor(config: BootConfig, services: Services) {
    this.#config = config;
    this.#services = services;
    this.#display = new CanvasDisplay({
      requestFrame: services.requestFrame,
      defer: services.defer,
      onSize: (width, height) => services.post({ type: "screen", width, height }),
      onCursor: (cursor) => services.post({ type: "cursor", ...(cursor && { cursor }) }),
    });
    this.#gpu = config.display && new GpuDevice("gpu0", this.#display, config.display);
  }

  attach(machine: Machine): void {
    if (this.#gpu !== undefined) {
      machine.attach(this.#gpu);
      for (const { device } of [this.#keyboard, this.#tablet, this.#touch]) machine.attach(device);
    }
    if (this.#config.sound !== true) return;
    const { clock, sleep } = this.#services;
    const host = { nowMs: () => clock.nowMs(), sleep };
    machine.attach(new SoundDevice("snd0", new PacedSound(host, (format) => this.#listen(format))));
  }

  /** Where the display is painted from now on. */
  show(canvas: OffscreenCanvas): void {
    this.#display.attach(canvas);
  }

  /** The display's place in the page has that size now. */
  fit(size: DisplaySize): void {
    if (this.#config.display?.isFitted === true) this.#gpu?.resize(size);
  }

  hear(isOn: boolean): void {
    this.#isHeard = isOn;
  }

  /** Something that a person did to the display. */
  act(gesture: Gesture): void {
    switch (gesture.kind) {
      case "key":
        this.#keyboard.key(gesture.code, gesture.isDown);
        break;
      case "move":
        this.#tablet.move(gesture.x, gesture.y);
        break;
      case "button":
        this.#tablet.button(gesture.button, gesture.isDown);
        break;
      case "wheel":
        this.#tablet.wheel(gesture.right, gesture.down);
        break;
      case "touch":
        this.#touch.touch(gesture.finger, gesture.x, gesture.y);
        break;
      case "lift":
        this.#touch.release(gesture.finger);
        break;
      case "leave":
        this.#keyboard.releaseAll();
        this.#tablet.releaseAll();
        this.#touch.releaseAll();
        break;
    }
  }

  #listen(format: PcmFormat) {
    const { post } = this.#services;
    return {
      queued: (bytes: Uint8Array<ArrayBuffer>): void => {
        // Not moved: the device may still count them.
        if (this.#isHeard) post({ type: "sound", format, bytes });
      },
      closed: (isCut: boolean): void => {
        if (isCut && this.#isHeard) post({ type: "silence" });
      },
    };
  }
}
