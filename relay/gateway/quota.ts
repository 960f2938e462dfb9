/** Counted permissions: so many per member, so many in total. */

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

/** The members' shares of a total. A member is named by any number, such as its MAC address. */
export class Quota {
  readonly #limitPerMember: number;
  readonly #total: Total;
  readonly #used = new Map<number, number>();

  constructor(limitPerMember: number, total: Total) {
    this.#limitPerMember = limitPerMember;
    this.#total = total;
  }

  take(member: number): boolean {
    const used = this.#used.get(member) ?? 0;
    if (used >= this.#limitPerMember || !this.#total.take()) return false;
    this.#used.set(member, used + 1);
    return true;
  }

  release(member: number): void {
    const used = this.#used.get(member) ?? 0;
    if (used === 0) return;
    if (used === 1) this.#used.delete(member);
    else this.#used.set(member, used - 1);
    this.#total.release();
  }
}
