/** The end of what was printed, for whoever comes later to look at it. */

/** A few screens of text. */
export const TAIL_BYTES = 16 * 1024;

const NEWLINE = 10;

export class OutputTail {
  /** Twice as long, so that most additions need not move what is there. */
  readonly #bytes = new Uint8Array(2 * TAIL_BYTES);
  #length = 0;
  #isCut = false;

  add(bytes: Uint8Array): void {
    const last = bytes.length > TAIL_BYTES ? bytes.subarray(-TAIL_BYTES) : bytes;
    if (this.#length + last.length > this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#length - TAIL_BYTES, this.#length);
      this.#length = TAIL_BYTES;
      this.#isCut = true;
    }
    this.#bytes.set(last, this.#length);
    this.#length += last.length;
  }

  /** A copy, from the start of a line on if what came before is not there. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const from = Math.max(0, this.#length - TAIL_BYTES);
    const isWhole = from === 0 && !this.#isCut;
    const line = isWhole ? 0 : this.#bytes.indexOf(NEWLINE, from) + 1;
    return this.#bytes.slice(line > this.#length ? from : line, this.#length);
  }
}

const BEL = 0x07;
const ESC = 0x1b;
const [CSI, BACKSLASH] = [0x5b, 0x5c];

/** What begins a string of control: DCS, SOS, OSC, PM, APC. */
const STRINGS = new Set([0x50, 0x58, 0x5d, 0x5e, 0x5f]);

/** Endings of control sequences that a terminal obeys and does not answer: colours, moves, erasing, modes. */
const OBEYED = new Set([..."@ABCDEFGHJKLMPSTXdfhlmr"].map((char) => char.charCodeAt(0)));

/**
 * Output without the control sequences that a terminal answers, such as where its cursor is: whoever
 * asked has been answered already, and would take the answer for input (ECMA-48, 5.4 and 8.3.35).
 */
export function withoutQuestions(bytes: Uint8Array): Uint8Array {
  const kept: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes[at] === ESC ? endOfControl(bytes, at) : at + 1;
    if (bytes[at] !== ESC || isObeyed(bytes, at, end)) kept.push(...bytes.subarray(at, end));
    at = end;
  }
  return Uint8Array.from(kept);
}

function isObeyed(bytes: Uint8Array, at: number, end: number): boolean {
  return bytes[at + 1] === CSI && OBEYED.has(bytes[end - 1]);
}

/** Behind the control sequence that begins at `at`. */
function endOfControl(bytes: Uint8Array, at: number): number {
  const isString = STRINGS.has(bytes[at + 1]);
  for (let i = at + 2; i < bytes.length; i++) {
    const isOver = isString
      ? bytes[i] === BEL || (bytes[i] === BACKSLASH && bytes[i - 1] === ESC)
      : bytes[at + 1] !== CSI || (bytes[i] >= 0x40 && bytes[i] <= 0x7e);
    if (isOver) return bytes[at + 1] === CSI || isString ? i + 1 : i;
  }
  return bytes.length;
}
