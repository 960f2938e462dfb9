/** The one clock behind `time` and `mtime`: software may set `mtime`, and `time` must follow. */
import type { Timebase } from "./timebase.ts";

export class AdjustableTimebase implements Timebase {
  readonly #source: Timebase;
  #offset = 0;
  /** What it reads while it stands still. */
  #frozen: number | undefined;

  constructor(source: Timebase) {
    this.#source = source;
  }

  ticks(): number {
    return this.#frozen ?? this.#source.ticks() + this.#offset;
  }

  wallClockMs(): number {
    return this.#source.wallClockMs();
  }

  /** Makes the clock read `ticks` now; it may go backwards. Also restores a saved machine's clock. */
  setTicks(ticks: number): void {
    if (this.#frozen !== undefined) this.#frozen = ticks;
    this.#offset = ticks - this.#source.ticks();
  }

  /** The clock stands still until `thaw`. */
  freeze(): void {
    this.#frozen = this.ticks();
  }

  /** It goes on from what it reads. */
  thaw(): void {
    const ticks = this.ticks();
    this.#frozen = undefined;
    this.setTicks(ticks);
  }
}
