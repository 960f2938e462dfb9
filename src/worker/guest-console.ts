/** The guest's console between the machine and the page, with flow control both ways. */
import type { Machine } from "../machine/machine.ts";
import type { ActivityMeter } from "./activity-meter.ts";
import { InputQueue } from "./input-queue.ts";
import { OutputPipe } from "./output-pipe.ts";
import type { Services } from "./services.ts";

/**
 * How long the guest rests between slices while the terminal is behind, in ms. A guest that prints
 * waits for its console in a busy loop, which needs no speed.
 */
const STALLED_MS = 25;

export class GuestConsole {
  readonly #services: Services;
  readonly #meter: ActivityMeter;
  readonly #pipe: OutputPipe;
  readonly #input: InputQueue;
  #machine: Machine | undefined;
  #isHeld = false;
  /** The next slice, put off until the terminal has caught up. */
  #stalled: { callback: () => void; cancel: () => void } | undefined;

  constructor(services: Services, meter: ActivityMeter) {
    this.#services = services;
    this.#meter = meter;
    this.#pipe = new OutputPipe((bytes) =>
      services.post({ type: "output", bytes }, [bytes.buffer]),
    );
    this.#input = new InputQueue((bytes) => this.#machine?.consoles.input(bytes) ?? 0);
  }

  /** Input goes to this machine from now on. */
  connect(machine: Machine): void {
    this.#machine = machine;
    this.#input.offer();
  }

  /** The guest printed; false asks it to wait. */
  output(bytes: Uint8Array): boolean {
    this.#meter.count("console", bytes.length);
    this.#pipe.write(bytes);
    this.#isHeld ||= this.#pipe.isFull;
    return !this.#pipe.isFull;
  }

  /** Posts what was printed; called after each slice. */
  flush(): void {
    this.#pipe.flush();
  }

  /** Typed or pasted. False if that is more than can wait. */
  type(bytes: Uint8Array): boolean {
    this.#meter.count("console", bytes.length);
    const isTaken = this.#input.put(bytes);
    // Ctrl-C must reach the guest however far the terminal is behind.
    if (!this.#pipe.isChoked) this.#release();
    return isTaken;
  }

  /** The guest may take more input. */
  inputSpace(): void {
    this.#input.offer();
  }

  /** The terminal has shown `bytes` more. */
  shown(bytes: number): void {
    this.#pipe.shown(bytes);
    if (this.#pipe.isFull) return;
    if (this.#isHeld) {
      this.#isHeld = false;
      this.#machine?.consoles.drain();
      this.#pipe.flush();
    }
    this.#release();
  }

  /** Forgets input for a guest that is gone. */
  clearInput(): void {
    this.#input.clear();
  }

  /** Calls back when the next slice is due: at once, or slower while the terminal is behind. */
  defer(callback: () => void): void {
    if (!this.#pipe.isFull) {
      this.#services.defer(callback);
      return;
    }
    const cancel = this.#pipe.isChoked
      ? () => {}
      : this.#services.sleep(STALLED_MS, () => this.#release());
    this.#stalled = { callback, cancel };
  }

  #release(): void {
    const stalled = this.#stalled;
    if (stalled === undefined) return;
    this.#stalled = undefined;
    stalled.cancel();
    this.#services.defer(stalled.callback);
  }
}
