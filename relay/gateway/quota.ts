/** Counted permissions: so many for a member, for a LAN, and in total. */
import type { MacAddress } from "../wire/ethernet.ts";

/** A total that several gateways share. */
export class Total {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  take(): boolean {
    if (this.#used >= this.#limit) return false;
    this.#used += 1;
    return true;
  }

  release(): void {
    this.#used -= 1;
  }
}

export interface QuotaLimits {
  readonly perMember: number;
  /** All members of the LAN together: one that invents addresses has no more than that. */
  readonly perLan: number;
}

/** One LAN's share of a total. A member is named by its MAC address. */
export class Quota {
  readonly #limits: QuotaLimits;
  readonly #total: Total;
  readonly #used = new Map<MacAddress, number>();
  #usedByAll = 0;

  constructor(limits: QuotaLimits, total: Total) {
    this.#limits = limits;
    this.#total = total;
  }

  take(member: MacAddress): boolean {
    const used = this.#used.get(member) ?? 0;
    if (used >= this.#limits.perMember || this.#usedByAll >= this.#limits.perLan) return false;
    if (!this.#total.take()) return false;
    this.#used.set(member, used + 1);
    this.#usedByAll += 1;
    return true;
  }

  /** Gives back what `take` gave. */
  release(member: MacAddress): void {
    const used = this.#used.get(member)!;
    if (used === 1) this.#used.delete(member);
    else this.#used.set(member, used - 1);
    this.#usedByAll -= 1;
    this.#total.release();
  }
}
