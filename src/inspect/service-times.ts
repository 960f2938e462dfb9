/** How long the guest serves interrupts: from claim to completion, while somebody looks at them. */
import type { Clock } from "../machine/clock.ts";
import type { MachineObserver } from "../machine/observers.ts";
import { Histogram, type HistogramView } from "./histogram.ts";
import { Lease, type Observe } from "./lease.ts";

/** Who has not looked for so long has left, in ms: longer than a panel waits between two looks. */
const LEFT_AFTER_MS = 3000;

export class ServiceTimes implements MachineObserver {
  readonly #clock: Clock;
  readonly #lease: Lease;
  /** By INTID, of which a distributor has fewer than a hundred; times in ms. */
  readonly #claimedAt = new Map<number, number>();
  readonly #histograms = new Map<number, Histogram>();

  constructor(clock: Clock, observe: Observe) {
    this.#clock = clock;
    this.#lease = new Lease(observe, this, LEFT_AFTER_MS);
  }

  /** Somebody looks; who is the first for a while finds nothing, and begins it. */
  look(): void {
    if (!this.#lease.isHeld) {
      this.#claimedAt.clear();
      this.#histograms.clear();
    }
    this.#lease.renew(this.#clock.nowMs());
  }

  /** Undefined until a service of it was seen from its beginning to its end. */
  of(intid: number): HistogramView | undefined {
    return this.#histograms.get(intid)?.view();
  }

  claimed(_target: number, intid: number): void {
    const now = this.#clock.nowMs();
    if (this.#lease.hasExpired(now)) this.#lease.end();
    else this.#claimedAt.set(intid, now);
  }

  completed(_target: number, intid: number): void {
    const claimedAt = this.#claimedAt.get(intid);
    if (claimedAt === undefined) return;
    this.#claimedAt.delete(intid);
    let histogram = this.#histograms.get(intid);
    if (histogram === undefined) {
      histogram = new Histogram();
      this.#histograms.set(intid, histogram);
    }
    histogram.add((this.#clock.nowMs() - claimedAt) * 1000);
  }
}
