/** A large sparse file being put together: the browser holds its bytes, and zeros are held once. */

/** Bytes of the piece that all zeros are made of. */
const ZERO_BYTES = 16 << 20;

/** Bytes that are gathered before the browser takes them: it keeps what is larger out of the heap. */
const RUN_BYTES = 8 << 20;

interface Part {
  readonly start: number;
  readonly end: number;
  readonly blob: Blob;
}

export class ImageParts {
  /** In bytes. */
  readonly size: number;
  readonly #parts: Part[] = [];
  /** What comes next to the last part. */
  #run: Uint8Array<ArrayBuffer>[] = [];
  #runStart = 0;
  #runEnd = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** Puts `bytes` at `at`, and zeros behind them up to `length`. Nothing is put twice. */
  put(at: number, bytes: Uint8Array<ArrayBuffer>, length: number): void {
    if (at !== this.#runEnd || this.#runEnd - this.#runStart >= RUN_BYTES) {
      this.#endRun();
      this.#runStart = at;
    }
    this.#run.push(bytes.subarray(0, length));
    if (bytes.length < length) this.#run.push(new Uint8Array(length - bytes.length));
    this.#runEnd = at + length;
  }

  /** Where nothing was put, in order. */
  gaps(): { readonly start: number; readonly end: number }[] {
    this.#endRun();
    const gaps: { start: number; end: number }[] = [];
    let at = 0;
    for (const { start, end } of this.#sorted()) {
      if (start > at) gaps.push({ start: at, end: start });
      at = end;
    }
    if (at < this.size) gaps.push({ start: at, end: this.size });
    return gaps;
  }

  /** All of it; gaps are zeros. */
  blob(): Blob {
    const gaps = this.gaps();
    const zeros = new Blob([new Uint8Array(Math.min(ZERO_BYTES, this.size))]);
    const filled = gaps.flatMap(({ start, end }) => {
      const parts: Part[] = [];
      for (let at = start; at < end; at += ZERO_BYTES) {
        const length = Math.min(ZERO_BYTES, end - at);
        const blob = length === zeros.size ? zeros : zeros.slice(0, length);
        parts.push({ start: at, end: at + length, blob });
      }
      return parts;
    });
    this.#parts.push(...filled);
    return new Blob(this.#sorted().map(({ blob }) => blob));
  }

  #sorted(): readonly Part[] {
    return this.#parts.sort((a, b) => a.start - b.start);
  }

  #endRun(): void {
    if (this.#run.length === 0) return;
    this.#parts.push({ start: this.#runStart, end: this.#runEnd, blob: new Blob(this.#run) });
    this.#run = [];
  }
}
