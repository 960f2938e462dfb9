/** Faults of one disk or wire that still have something to meet. */

export interface ArmedFault<Fault> {
  readonly fault: Fault;
  /** How many requests or frames; infinitely many of a share. */
  left: number;
  hits: number;
}

export class ArmedFaults<Fault> {
  readonly all: ArmedFault<Fault>[] = [];
  readonly #onHit: (armed: ArmedFault<Fault>) => void;

  /** @param onHit something met a fault; with none left, for the last time. */
  constructor(onHit: (armed: ArmedFault<Fault>) => void) {
    this.#onHit = onHit;
  }

  /** The first that fits, which has met something now. */
  take(fits: (fault: Fault) => boolean): Fault | undefined {
    const armed = this.all.find(({ fault }) => fits(fault));
    if (armed === undefined) return undefined;
    armed.left--;
    armed.hits++;
    if (armed.left === 0) this.remove(armed);
    this.#onHit(armed);
    return armed.fault;
  }

  remove(armed: ArmedFault<Fault>): void {
    const at = this.all.indexOf(armed);
    if (at >= 0) this.all.splice(at, 1);
  }
}
