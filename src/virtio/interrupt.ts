/** InterruptStatus and the wire of one device, by edge or by level (virtio 2.3, 4.2.2). */
import type { IrqLine } from "../irq/irq-line.ts";
import { InterruptBit } from "./spec.ts";

export class DeviceInterrupt {
  status = 0;
  configCount = 0;
  readonly #irq: IrqLine;
  readonly #level: boolean;

  constructor(irq: IrqLine, trigger: "edge" | "level") {
    this.#irq = irq;
    this.#level = trigger === "level";
  }

  /** One pulse per event, whether or not the bit was set: a driver may scan before it acknowledges. */
  raise(cause: number): void {
    if (cause === InterruptBit.CONFIG_CHANGE) this.configCount++;
    this.status |= cause;
    this.#drive();
  }

  /** A cause that is left needs another edge: the driver has seen only what it acknowledged. */
  acknowledge(causes: number): void {
    this.status &= ~causes;
    this.#drive();
  }

  load(status: number): void {
    this.status = status;
    this.#drive();
  }

  #drive(): void {
    if (this.#level) this.#irq.setLevel(this.status !== 0);
    else if (this.status !== 0) this.#irq.pulse();
  }
}
