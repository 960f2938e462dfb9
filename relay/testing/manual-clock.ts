/** A clock that tests turn by hand. */
import type { Clock } from "../clock.ts";

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #deferred: (() => void)[] = [];
  readonly #repeated = new Set<{ intervalMs: number; dueMs: number; task: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  defer(task: () => void): void {
    this.#deferred.push(task);
  }

  every(intervalMs: number, task: () => void): () => void {
    const entry = { intervalMs, dueMs: this.#nowMs + intervalMs, task };
    this.#repeated.add(entry);
    return () => this.#repeated.delete(entry);
  }

  /** Lets time pass and runs what is due. */
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const task of this.#deferred.splice(0)) task();
    for (const entry of this.#repeated) {
      if (entry.dueMs > this.#nowMs) continue;
      entry.dueMs = this.#nowMs + entry.intervalMs;
      entry.task();
    }
  }
}
