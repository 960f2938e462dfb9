/** Time as the relay sees it, so that tests can turn it by hand. */

export interface Clock {
  /** Milliseconds, never going back. */
  now(): number;
  /** Runs `task` after the events that are waiting now. */
  defer(task: () => void): void;
  /** Runs `task` again and again; the returned function ends that. */
  every(intervalMs: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  defer: (task) => {
    setImmediate(task);
  },
  every: (intervalMs, task) => {
    const timer = setInterval(task, intervalMs);
    // Open sockets keep the process alive, not the clock.
    timer.unref();
    return () => clearInterval(timer);
  },
};
