/** Ends spans of time one after the other, by a clock that may be late but does not drift. */

export interface PacerHost {
  nowMs(): number;
  /** Calls back after `ms`; gives what cancels it. */
  sleep(ms: number, callback: () => void): () => void;
}

interface Span {
  readonly ms: number;
  readonly ended: () => void;
}

export class Pacer {
  readonly #host: PacerHost;
  readonly #spans: Span[] = [];
  #isRunning = false;
  /** When the first span ends; while standing still, how much of it is left. */
  #endMs = 0;
  #leftMs = 0;
  #cancel: () => void = () => {};

  constructor(host: PacerHost) {
    this.#host = host;
  }

  /** Spans that have not ended. */
  get length(): number {
    return this.#spans.length;
  }

  /** Adds a span after those before; it begins at once if there are none. */
  add(ms: number, ended: () => void): void {
    this.#spans.push({ ms, ended });
    if (this.#spans.length > 1) return;
    this.#leftMs = ms;
    if (this.#isRunning) this.#begin();
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (this.#spans.length > 0) this.#begin();
  }

  stop(): void {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#cancel();
    this.#leftMs = Math.max(0, this.#endMs - this.#host.nowMs());
  }

  /** Forgets all spans. */
  close(): void {
    this.stop();
    this.#spans.length = 0;
  }

  #begin(): void {
    this.#endMs = this.#host.nowMs() + this.#leftMs;
    this.#wait();
  }

  #wait(): void {
    this.#cancel = this.#host.sleep(Math.max(0, this.#endMs - this.#host.nowMs()), () => {
      const now = this.#host.nowMs();
      // A late timer ends all that should have ended meanwhile.
      while (this.#isRunning && this.#spans.length > 0 && this.#endMs <= now) {
        const { ended } = this.#spans.shift()!;
        if (this.#spans.length > 0) this.#endMs += this.#spans[0].ms;
        const isAlone = this.#spans.length === 0;
        ended();
        // What was added to nothing has begun by itself.
        if (isAlone) return;
      }
      if (this.#isRunning && this.#spans.length > 0) this.#wait();
    });
  }
}
