/** How much may be in flight (RFC 5681, RFC 6582) and how long to wait for it (RFC 6298). */

/** In segments (RFC 6928). */
const INITIAL_WINDOW_SEGMENTS = 10;

/** RFC 6298 says one second; the path is a LAN, and guests of emulators answer within 200 ms. */
export const RTO_MIN_MS = 200;
const RTO_INITIAL_MS = 1000;
/** Low, for a guest that was suspended should go on soon after it is back. */
export const RTO_MAX_MS = 8000;

export class CongestionWindow {
  readonly #mss: number;
  #bytes: number;
  #threshold = Infinity;

  constructor(mss: number) {
    this.#mss = mss;
    this.#bytes = INITIAL_WINDOW_SEGMENTS * mss;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** New data was acknowledged outside recovery. `limit` keeps an unused window from growing. */
  acknowledged(bytes: number, limit: number): void {
    if (this.#bytes >= limit) return;
    if (this.#bytes < this.#threshold) this.#bytes += bytes;
    else this.#bytes += Math.max(1, Math.floor((this.#mss * bytes) / this.#bytes));
  }

  /** Third duplicate acknowledgment: half of what is in flight, and the three that arrived. */
  enterRecovery(inFlight: number): void {
    this.#threshold = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.#bytes = this.#threshold + 3 * this.#mss;
  }

  /** One more segment has left the network. */
  inflate(): void {
    this.#bytes += this.#mss;
  }

  /** Part of the lost data was acknowledged, in recovery (RFC 6582 3.2 step 3). */
  deflate(acknowledged: number): void {
    this.#bytes = Math.max(this.#mss, this.#bytes - acknowledged + this.#mss);
  }

  leaveRecovery(): void {
    this.#bytes = this.#threshold;
  }

  timedOut(inFlight: number): void {
    this.#threshold = Math.max(Math.floor(inFlight / 2), 2 * this.#mss);
    this.#bytes = this.#mss;
  }
}

export class RetransmissionTimeout {
  #smoothed: number | undefined;
  #variation = 0;
  #base = RTO_INITIAL_MS;
  #shift = 0;

  /** Milliseconds to wait now, with the back-off. */
  get ms(): number {
    return Math.min(RTO_MAX_MS, this.#base * 2 ** this.#shift);
  }

  measured(roundTripMs: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = roundTripMs;
      this.#variation = roundTripMs / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - roundTripMs) - this.#variation) / 4;
      this.#smoothed += (roundTripMs - this.#smoothed) / 8;
    }
    this.#base = Math.max(RTO_MIN_MS, this.#smoothed + 4 * this.#variation);
  }

  backOff(): void {
    this.#shift += 1;
  }

  progressed(): void {
    this.#shift = 0;
  }
}
