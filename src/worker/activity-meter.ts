/** Counts what devices and the hart do between two reports to the page. */
import type { Activity } from "./protocol.ts";

/** A guest that runs less than this share of the time counts as idle… */
const IDLE_BELOW = 0.15;

/** …until it runs more than this, so that the state does not flicker. */
const BUSY_ABOVE = 0.3;

export interface MeterReading {
  readonly mips: number;
  /** 0 to 1. */
  readonly busy: number;
  readonly isIdle: boolean;
  readonly activity: Activity;
}

type Counts = { -readonly [device in keyof Activity]: number };

export class ActivityMeter {
  readonly #nowMs: () => number;
  #counts: Counts = { console: 0, disk: 0, network: 0, entropy: 0 };
  #since: number;
  #busyMs = 0;
  #instructions = 0;
  #isIdle = false;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#since = nowMs();
  }

  count(device: keyof Activity, bytes: number): void {
    this.#counts[device] += bytes;
  }

  /** Runs a slice and takes its time. */
  timed<T>(slice: () => T): T {
    const start = this.#nowMs();
    const result = slice();
    this.#busyMs += this.#nowMs() - start;
    return result;
  }

  /** Reads all counters and starts them anew. `instructions` is the hart's total. */
  read(instructions: number): MeterReading {
    const now = this.#nowMs();
    const elapsed = Math.max(now - this.#since, 1);
    // A reset starts the hart's count anew.
    const retired = Math.max(0, instructions - this.#instructions);
    const busy = Math.min(1, this.#busyMs / elapsed);
    this.#isIdle = busy < (this.#isIdle ? BUSY_ABOVE : IDLE_BELOW);
    const reading = {
      mips: retired / elapsed / 1000,
      busy,
      isIdle: this.#isIdle,
      activity: this.#counts,
    };
    this.#counts = { console: 0, disk: 0, network: 0, entropy: 0 };
    this.#since = now;
    this.#busyMs = 0;
    this.#instructions = instructions;
    return reading;
  }
}
