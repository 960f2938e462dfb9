/** The devices about memory that the command line asks for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "../src/machine/machine.ts";
import { BalloonDevice } from "../src/virtio/devices/balloon.ts";
import type { RunOptions } from "./options.ts";

const MIB = 1024 * 1024;

/** Time for the guest to answer a question, in ms. */
const ANSWER_MS = 300;

export class MemoryDevices {
  readonly #balloon: BalloonDevice | undefined;

  constructor({ balloonMiB }: RunOptions) {
    if (balloonMiB === undefined) return;
    this.#balloon = new BalloonDevice("balloon0");
    this.#balloon.target = balloonMiB * MIB;
  }

  attach(machine: Machine): void {
    if (this.#balloon !== undefined) machine.attach(this.#balloon);
  }

  /** What the guest uses its memory for, after asking it. */
  async describe(): Promise<string> {
    const balloon = this.#balloon;
    if (balloon === undefined) return "no balloon; give --balloon 0 to have one";
    balloon.requestStatistics();
    balloon.requestHints();
    await sleep(ANSWER_MS);
    const { totalBytes, availableBytes } = balloon.statistics;
    const { hintedBytes } = balloon.counters();
    return [
      `the balloon has ${mib(balloon.heldBytes)} of ${mib(balloon.target)} MiB`,
      `the guest has ${mib(totalBytes)} MiB, ${mib(availableBytes)} available`,
      `${mib(hintedBytes)} in free pages`,
    ].join("; ");
  }
}

const mib = (bytes: number | undefined): string =>
  bytes === undefined ? "?" : (bytes / MIB).toFixed(0);
