/** Web Locks for one process, for tests. */
import type { Locks } from "../disk-lock.ts";

export class MemoryLocks implements Locks {
  readonly #tails = new Map<string, Promise<void>>();
  readonly #held = new Set<string>();

  async query(): Promise<{ held: { name: string }[] }> {
    return { held: [...this.#held].map((name) => ({ name })) };
  }

  async request(
    name: string,
    { signal }: { signal: AbortSignal },
    held: (lock: unknown) => Promise<void>,
  ): Promise<void> {
    const before = this.#tails.get(name);
    const aborted = new Promise<void>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    await Promise.race([before, aborted]);
    this.#held.add(name);
    const mine = held({});
    this.#tails.set(name, mine);
    await mine;
    this.#held.delete(name);
  }
}
