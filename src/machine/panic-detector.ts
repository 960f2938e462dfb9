/** Finds a Linux kernel's panic message in a console's output, as it streams by. */

const MARK = "Kernel panic - not syncing";

/** Bytes kept of the line after the mark: a reason is a sentence. */
export const MAX_REASON_BYTES = 256;

const NEWLINE = 10;

export class PanicDetector {
  readonly #onPanic: (message: string) => void;
  /** How many bytes of the mark have just been seen. */
  #matched = 0;
  /** The line after the mark while it is being collected. */
  #reason: number[] | undefined;

  /** `onPanic` gets the whole line from the mark on. */
  constructor(onPanic: (message: string) => void) {
    this.#onPanic = onPanic;
  }

  feed(bytes: Iterable<number>): void {
    for (const byte of bytes) {
      if (this.#reason !== undefined) this.#collect(this.#reason, byte);
      else this.#match(byte);
    }
  }

  #match(byte: number): void {
    // The first letter of the mark occurs in it only once, so a mismatch can only start anew.
    if (byte === MARK.charCodeAt(this.#matched)) this.#matched += 1;
    else this.#matched = byte === MARK.charCodeAt(0) ? 1 : 0;
    if (this.#matched < MARK.length) return;
    this.#matched = 0;
    this.#reason = [];
  }

  #collect(reason: number[], byte: number): void {
    if (byte !== NEWLINE) reason.push(byte);
    if (byte !== NEWLINE && reason.length < MAX_REASON_BYTES) return;
    this.#reason = undefined;
    const text = new TextDecoder().decode(Uint8Array.from(reason));
    this.#onPanic(MARK + text.trimEnd());
  }
}
