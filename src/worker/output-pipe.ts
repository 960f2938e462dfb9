/** Console output on its way to the page, no faster than the terminal shows it. */
import { OUTPUT_WINDOW } from "./protocol.ts";

/**
 * Bytes that may wait here because the window is full. Consoles that can be held back stop at the
 * window; this much more is taken from those that cannot, before the machine has to pause.
 */
export const MAX_BACKLOG = 4 << 20;

/** Room at first; guests print a few bytes at a time, which are gathered here. */
const FIRST_BYTES = 64 << 10;

export class OutputPipe {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** What waits is at its start. */
  #buffer = new Uint8Array(FIRST_BYTES);
  #waiting = 0;
  /** Posted and not yet shown. */
  #unshown = 0;

  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  /** The terminal is behind: hold the guest's output back, or let the guest run less. */
  get isFull(): boolean {
    return this.#unshown + this.#waiting >= OUTPUT_WINDOW;
  }

  /** No more can be taken: pause the machine until something is shown. */
  get isChoked(): boolean {
    return this.#waiting >= MAX_BACKLOG;
  }

  write(bytes: Uint8Array): void {
    const end = this.#waiting + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#waiting));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#waiting);
    this.#waiting = end;
  }

  /** Posts what waits, in one message, as far as the window allows. */
  flush(): void {
    const length = Math.min(OUTPUT_WINDOW - this.#unshown, this.#waiting);
    if (length <= 0) return;
    const batch = this.#buffer.slice(0, length);
    this.#buffer.copyWithin(0, length, this.#waiting);
    this.#waiting -= length;
    this.#unshown += length;
    this.#post(batch);
  }

  /** The terminal has shown `bytes` more. */
  shown(bytes: number): void {
    this.#unshown = Math.max(0, this.#unshown - bytes);
    this.flush();
  }
}
