/** The one clock behind `time` and `mtime`: software may set `mtime`, and `time` must follow. */
import type { Timebase } from "./timebase.ts";

export class AdjustableTimebase implements Timebase {
  readonly #source: Timebase;
  #offset = 0;

  constructor(source: Timebase) {
    this.#source = source;
  }

  ticks(): number {
    return this.#source.ticks() + this.#offset;
  }

  wallClockMs(): number {
    return this.#source.wallClockMs();
  }

  /** Makes the clock read `ticks` now; it may go backwards. Also restores a saved machine's clock. */
  setTicks(ticks: number): void {
    this.#offset = ticks - this.#source.ticks();
  }
}
