/** What was typed or pasted, offered to the guest as fast as it takes it. */

/** The longest paste that is taken, in bytes: a slow guest reads it for minutes already. */
export const MAX_INPUT_BYTES = 16 << 20;

export class InputQueue {
  /** Gives bytes to the guest; returns how many, from the first, it took. */
  readonly #offer: (bytes: Uint8Array) => number;
  #waiting: Uint8Array[] = [];
  #length = 0;
  #isOffering = false;
  #hasNewRoom = false;

  constructor(offer: (bytes: Uint8Array) => number) {
    this.#offer = offer;
  }

  /** Takes all of `bytes` or nothing; false means that there is no room. */
  put(bytes: Uint8Array): boolean {
    if (this.#length + bytes.length > MAX_INPUT_BYTES) return false;
    if (bytes.length === 0) return true;
    this.#waiting.push(bytes);
    this.#length += bytes.length;
    this.offer();
    return true;
  }

  /** The guest may have room again. */
  offer(): void {
    // A guest with room at once says so while it is still being offered bytes.
    this.#hasNewRoom = true;
    if (this.#isOffering) return;
    this.#isOffering = true;
    while (this.#hasNewRoom && this.#waiting.length > 0) {
      this.#hasNewRoom = false;
      this.#offerNext();
    }
    this.#isOffering = false;
  }

  /** Forgets what waits, as for a machine that starts anew. */
  clear(): void {
    this.#waiting = [];
    this.#length = 0;
  }

  #offerNext(): void {
    const next = this.#waiting[0];
    const taken = this.#offer(next);
    this.#length -= taken;
    if (taken < next.length) {
      this.#waiting[0] = next.subarray(taken);
      return;
    }
    this.#waiting.shift();
    this.#hasNewRoom = true;
  }
}
