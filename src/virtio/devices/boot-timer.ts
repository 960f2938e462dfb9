/**
 * The boot timer: a pseudo device without queues whose one register the guest writes when it is up,
 * so that the monitor can tell how long booting took. Works without any negotiation.
 */
import { ConfigFields } from "../config.ts";
import type { Counters, VirtioDevice } from "../device.ts";
import { DeviceType } from "../spec.ts";

/** Configuration layout: one register. */
const Config = { UP: 0, SIZE: 4 } as const;

export class BootTimerDevice implements VirtioDevice {
  readonly type = DeviceType.BOOT_TIMER;
  readonly names = { title: "Boot timer", config: Config };
  readonly name: string;
  readonly features = 0n;
  readonly queueSizes = [];
  readonly config: ConfigFields;
  #writes = 0;

  /** `onUp` is called for every write, with the value written; the first is the one that counts. */
  constructor(name: string, onUp: (value: number) => void) {
    this.name = name;
    this.config = new ConfigFields(Config.SIZE, (offset, _size, value) => {
      if (offset !== Config.UP) return;
      this.#writes++;
      onUp(value);
    });
  }

  activate(): void {}

  notify(): void {}

  reset(): void {}

  counters(): Counters {
    return { writes: this.#writes };
  }
}
