/**
 * Keeps a machine running inside an event loop: a slice at a time, asleep while the guest is idle.
 *
 * How to yield and how to sleep is the host's: a Worker yields through a MessageChannel, Node with
 * `setImmediate`.
 */

/** "held" is a machine that a debugger has stopped: nothing happens until it is woken. */
export type SliceResult = "running" | "idle" | "held" | "stopped";

/** What the loop needs of a machine. */
export interface Sliced {
  runSlice(maxMs: number): SliceResult;
  msUntilWake(): number;
}

export interface RunLoopHost {
  /** Calls back as soon as the event loop has served what waits in it. */
  defer(callback: () => void): void;
  /** Calls back after `ms`; the returned function cancels that. */
  sleep(ms: number, callback: () => void): () => void;
}

/** Long enough that yielding costs little, short enough that keys and packets do not wait. */
const SLICE_MS = 8;

/**
 * Timers of hosts round up to 1 ms or more. A guest that waits for less than this is served through
 * the event loop again at once, which keeps the host busy for no longer than this.
 */
const SHORT_WAIT_MS = 0.25;

/** The longest sleep; hosts count timer delays in 31 bits. */
const MAX_SLEEP_MS = 1_000_000;

export class RunLoop {
  readonly #machine: Sliced;
  readonly #host: RunLoopHost;
  #running = false;
  #queued = false;
  #cancelSleep: (() => void) | undefined;

  constructor(machine: Sliced, host: RunLoopHost) {
    this.#machine = machine;
    this.#host = host;
  }

  get running(): boolean {
    return this.#running;
  }

  start(): void {
    this.#running = true;
    this.wake();
  }

  /** No slice runs after this until `start`. */
  stop(): void {
    this.#running = false;
    this.#stopSleeping();
  }

  /** Something happened that an idle guest may have been waiting for. */
  wake(): void {
    this.#stopSleeping();
    if (!this.#running || this.#queued) return;
    this.#queued = true;
    this.#host.defer(this.#slice);
  }

  readonly #slice = (): void => {
    this.#queued = false;
    if (!this.#running) return;
    const result = this.#machine.runSlice(SLICE_MS);
    if (result === "stopped") {
      this.#running = false;
    } else if (result === "running") {
      this.wake();
    } else if (result === "idle") {
      this.#sleep();
    }
  };

  #sleep(): void {
    // A device may have woken the machine while the slice was ending.
    if (this.#queued || !this.#running) return;
    const ms = this.#machine.msUntilWake();
    if (ms <= SHORT_WAIT_MS) {
      this.wake();
    } else {
      this.#stopSleeping();
      this.#cancelSleep = this.#host.sleep(Math.min(ms, MAX_SLEEP_MS), () => {
        this.#cancelSleep = undefined;
        this.wake();
      });
    }
  }

  #stopSleeping(): void {
    this.#cancelSleep?.();
    this.#cancelSleep = undefined;
  }
}
