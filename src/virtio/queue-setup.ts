/** The registers of one queue before the driver declares it ready (virtio 4.2.2, 4.2.3.2). */
import type { QueueAddresses } from "./queue.ts";
import { Register } from "./spec.ts";

const TWO_32 = 0x1_0000_0000;

export class QueueSetup {
  readonly max: number;
  /** The value of QueueReady; it stays 1 in a device that needs a reset. */
  ready = false;
  /** Why the driver's last attempt to set QueueReady failed. */
  refusal: string | undefined;
  /** Stopped by QueueReset, and therefore open for a new set-up after DRIVER_OK (2.6.1). */
  wasReset = false;
  /** QueueNum. A size that cannot be used makes the queue unusable until another is written. */
  size: number;
  readonly #words = new Map<number, number>();

  constructor(max: number) {
    this.max = max;
    this.size = max;
  }

  writeAddress(register: number, value: number): void {
    this.#words.set(register, value);
  }

  /** What the registers say now; later writes change nothing in the value returned. */
  addresses(): QueueAddresses {
    return {
      size: this.size <= this.max ? this.size : 0,
      desc: this.#address(Register.QueueDescLow, Register.QueueDescHigh),
      driver: this.#address(Register.QueueDriverLow, Register.QueueDriverHigh),
      device: this.#address(Register.QueueDeviceLow, Register.QueueDeviceHigh),
    };
  }

  /** Takes the registers of a saved queue over. */
  load(addresses: QueueAddresses): void {
    this.size = addresses.size;
    const pairs = [
      [Register.QueueDescLow, addresses.desc],
      [Register.QueueDriverLow, addresses.driver],
      [Register.QueueDeviceLow, addresses.device],
    ] as const;
    for (const [low, address] of pairs) {
      this.#words.set(low, address % TWO_32);
      this.#words.set(low + 4, Math.floor(address / TWO_32));
    }
  }

  #address(low: number, high: number): number {
    return (this.#words.get(low) ?? 0) + (this.#words.get(high) ?? 0) * TWO_32;
  }
}
