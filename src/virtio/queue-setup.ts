/** The registers of one queue before the driver declares it ready (virtio 4.2.2, 4.2.3.2). */
import type { QueueAddresses } from "./queue.ts";
import { Register } from "./spec.ts";

/** Structured-clonable registers of one queue, also half-way through its set-up. */
export interface QueueSetupState {
  readonly size: number;
  readonly wasReset: boolean;
  readonly refusal: string | undefined;
  readonly words: readonly (readonly [register: number, value: number])[];
}

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

  save(): QueueSetupState {
    const { size, wasReset, refusal } = this;
    return { size, wasReset, refusal, words: [...this.#words] };
  }

  load(state: QueueSetupState): void {
    this.size = state.size;
    this.wasReset = state.wasReset;
    this.refusal = state.refusal;
    for (const [register, value] of state.words) this.#words.set(register, value);
  }

  #address(low: number, high: number): number {
    return (this.#words.get(low) ?? 0) + (this.#words.get(high) ?? 0) * TWO_32;
  }
}
