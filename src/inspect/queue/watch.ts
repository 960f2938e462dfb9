/**
 * Keeps the last chains that a device gave back to one queue, with their bytes as they were then:
 * afterwards the driver may use the memory for something else. Only while somebody looks at the queue.
 */
import type { Clock } from "../../machine/clock.ts";
import type { MachineObserver } from "../../machine/observers.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { DescriptorChain } from "../../virtio/chain.ts";
import type { RequestSource } from "../../virtio/observer.ts";
import { Lease, type Observe } from "../lease.ts";
import { type ChainSource, pushedChain } from "./chain-source.ts";
import type { RingAreas } from "./descriptors.ts";

/** Chains kept: as many as a table shows, and a few MiB at most. */
export const DONE_MAX = 32;

/**
 * Of a queue that never rests so many a second are kept: a table shows no more, and to keep one takes the
 * time that a guest needs for a quarter of a request. Bursts of `DONE_MAX` are kept whole.
 */
const KEPT_PER_MS = 0.5;

/** Who has not looked for so long has left, even if a closed tab could not say so. In ms. */
const LEFT_AFTER_MS = 3000;

export interface DoneChain extends ChainSource {
  /** Counts those of the queue that is watched, those too that were not kept. */
  readonly serial: number;
  readonly features: bigint;
}

export class QueueWatch implements MachineObserver {
  /** The last ones, newest last. */
  done: readonly DoneChain[] = [];
  readonly #memory: GuestMemory;
  readonly #clock: Clock;
  readonly #lease: Lease;
  #slot = -1;
  #queue = -1;
  #ring: RingAreas | undefined;
  #serial = 0;
  /** Chains that may be kept, as of a moment of the clock. */
  #allowance = DONE_MAX;
  #allowedAt = 0;
  #flawed: { readonly chain: DescriptorChain; readonly flaw: string } | undefined;

  constructor(memory: GuestMemory, clock: Clock, observe: Observe) {
    this.#memory = memory;
    this.#clock = clock;
    this.#lease = new Lease(observe, this, LEFT_AFTER_MS);
  }

  /** Somebody looks at a queue that is in use as `ring`. */
  look(slot: number, queue: number, ring: RingAreas): void {
    this.#ring = ring;
    // There is a gap behind what was kept, or it is of another queue.
    if (!this.#lease.isHeld || !this.isOf(slot, queue)) this.done = [];
    this.#slot = slot;
    this.#queue = queue;
    this.#lease.renew(this.#clock.nowMs());
  }

  /** Whether what is kept is of this queue. */
  isOf(slot: number, queue: number): boolean {
    return slot === this.#slot && queue === this.#queue;
  }

  /** Keeps nothing more; what was kept stays. */
  release(): void {
    this.#lease.end();
  }

  popped(
    source: RequestSource,
    queue: number,
    _features: bigint,
    chain: DescriptorChain,
    flaw: string | undefined,
  ): void {
    if (flaw !== undefined && this.isOf(source.slot, queue)) this.#flawed = { chain, flaw };
  }

  pushed(
    source: RequestSource,
    queue: number,
    features: bigint,
    chain: DescriptorChain,
    bytesWritten: number,
  ): void {
    if (this.#ring === undefined || !this.isOf(source.slot, queue)) return;
    const now = this.#clock.nowMs();
    if (this.#lease.hasExpired(now)) {
      this.release();
      return;
    }
    const serial = this.#serial++;
    if (!this.#mayKeep(now)) return;
    const flaw = this.#flawed?.chain === chain ? this.#flawed.flaw : undefined;
    const { type } = source;
    const kept = pushedChain(this.#memory, this.#ring, type, chain, bytesWritten, flaw);
    const done = { ...kept, serial, features };
    this.done = [...this.done.slice(1 - DONE_MAX), done];
  }

  stopped(source: RequestSource, queue: number): void {
    if (this.isOf(source.slot, queue)) this.#ring = undefined;
  }

  #mayKeep(now: number): boolean {
    const earned = (now - this.#allowedAt) * KEPT_PER_MS;
    this.#allowance = Math.min(DONE_MAX, this.#allowance + earned);
    this.#allowedAt = now;
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }
}
