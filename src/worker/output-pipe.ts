/** Console output on its way to the page, no faster than the terminal shows it. */
import { OUTPUT_WINDOW } from "./protocol.ts";

/**
 * Bytes that may wait here because the window is full. Consoles that can be held back stop at the
 * window; this much more is taken from those that cannot, before the machine has to pause.
 */
export const MAX_BACKLOG = 4 << 20;

export class OutputPipe {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Posted and not yet shown. */
  #unshown = 0;

  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  /** The terminal is behind: hold the guest's output back, or let the guest run less. */
  get isFull(): boolean {
    return this.#unshown + this.#waitingBytes >= OUTPUT_WINDOW;
  }

  /** No more can be taken: pause the machine until something is shown. */
  get isChoked(): boolean {
    return this.#waitingBytes >= MAX_BACKLOG;
  }

  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Posts what waits, in one message, as far as the window allows. */
  flush(): void {
    const room = OUTPUT_WINDOW - this.#unshown;
    const length = Math.min(room, this.#waitingBytes);
    if (length <= 0) return;
    const batch = new Uint8Array(length);
    let at = 0;
    let used = 0;
    while (at < length) {
      const piece = this.#waiting[used].subarray(0, length - at);
      batch.set(piece, at);
      at += piece.length;
      if (piece.length === this.#waiting[used].length) used++;
      else this.#waiting[used] = this.#waiting[used].subarray(piece.length);
    }
    this.#waiting.splice(0, used);
    this.#waitingBytes -= length;
    this.#unshown += length;
    this.#post(batch);
  }

  /** The terminal has shown `bytes` more. */
  shown(bytes: number): void {
    this.#unshown = Math.max(0, this.#unshown - bytes);
    this.flush();
  }
}
