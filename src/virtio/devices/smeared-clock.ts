/** A clock that runs with the host's, but goes over the seconds that are put into UTC or taken out of it. */

/** More than a leap second: the host's clock was set, and the guest's goes with it. */
const SET_MS = 1500;

/** By how much faster or slower it runs meanwhile: a second takes 2000. */
const SLEW = 0.0005;

export interface HostClocks {
  /** Milliseconds with fractions from any origin; never decreases. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallClockMs(): number;
}

export class SmearedClock {
  readonly #host: HostClocks;
  #shownMs: number;
  #atMs: number;

  constructor(host: HostClocks) {
    this.#host = host;
    this.#shownMs = host.wallClockMs();
    this.#atMs = host.nowMs();
  }

  /** Milliseconds since 1970. It goes back only if the host's clock was set back. */
  nowMs(): number {
    const now = this.#host.nowMs();
    const wall = this.#host.wallClockMs();
    const elapsed = now - this.#atMs;
    this.#atMs = now;
    this.#shownMs += elapsed;
    const behind = wall - this.#shownMs;
    const most = elapsed * SLEW;
    this.#shownMs += Math.abs(behind) > SET_MS ? behind : Math.min(Math.max(behind, -most), most);
    return this.#shownMs;
  }
}
