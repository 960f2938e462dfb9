/** A device that does nothing by itself: tests of queues take and give back chains through it. */
import type { DescriptorChain } from "../chain.ts";
import { ConfigFields } from "../config.ts";
import type { DeviceIo, VirtioDevice } from "../device.ts";
import type { Virtqueue } from "../queue.ts";

export class ManualDevice implements VirtioDevice {
  readonly type = 42;
  readonly name = "manual";
  readonly features = 0n;
  readonly queueSizes = [8];
  readonly config = new ConfigFields(0);
  #io: DeviceIo | undefined;

  activate(io: DeviceIo): void {
    this.#io = io;
  }

  notify(): void {}

  reset(): void {}

  /** The queue, also after a reset. @throws Error before the first activation. */
  get queue(): Virtqueue {
    const queue = this.#io?.queues[0];
    if (queue === undefined) throw new Error("the device was never active");
    return queue;
  }
}

/** @throws Error if there is no chain. */
export function taken(chain: DescriptorChain | undefined): DescriptorChain {
  if (chain === undefined) throw new Error("no chain was available");
  return chain;
}
