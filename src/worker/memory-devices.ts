/** The guest's devices that are about its memory, and what they say of it. */
import type { Machine } from "../machine/machine.ts";
import { BalloonDevice } from "../virtio/devices/balloon.ts";
import type { MemoryConfig, MemoryStats } from "./protocol.ts";

const MIB = 1 << 20;

/** Measurements between two questions to the guest: 2 s while it works, and 10 s while it is idle. */
const ASK_EVERY = 10;
const ASK_EVERY_IDLE = 50;

export class MemoryDevices {
  readonly #balloon: BalloonDevice | undefined;
  #measured = 0;

  constructor({ balloonMiB }: MemoryConfig) {
    if (balloonMiB === undefined) return;
    this.#balloon = new BalloonDevice("balloon0");
    this.#balloon.target = balloonMiB * MIB;
  }

  attach(machine: Machine): void {
    if (this.#balloon !== undefined) machine.attach(this.#balloon);
  }

  /** Asks the guest to have a balloon of that size. */
  inflate(mib: number): void {
    if (this.#balloon !== undefined) this.#balloon.target = mib * MIB;
  }

  /** Undefined if the guest cannot tell anything. */
  measure(isIdle: boolean): MemoryStats | undefined {
    const balloon = this.#balloon;
    if (balloon === undefined) return undefined;
    this.#measured++;
    if (this.#measured % (isIdle ? ASK_EVERY_IDLE : ASK_EVERY) === 0) balloon.requestStatistics();
    const { freeBytes, availableBytes, totalBytes } = balloon.statistics;
    return {
      balloon: { bytes: balloon.heldBytes, targetBytes: balloon.target },
      ...(freeBytes !== undefined && { freeBytes }),
      ...(availableBytes !== undefined && { availableBytes }),
      ...(totalBytes !== undefined && { totalBytes }),
    };
  }
}
