/**
 * A bounded record of requests: a ring of columns, so that a hundred thousand of them cost neither
 * objects nor the collector's time. Requests have sequence numbers from 0; the oldest make room.
 */

/**
 * Requests kept: a quarter of an hour of a guest at work, or some seconds of a benchmark's worst.
 * With 125 bytes each the columns take 16 MiB.
 */
const LOG_CAPACITY = 2 ** 17;

/** The moments of a request's life, in their order. */
export const Moment = {
  /** The last QueueNotify of its queue before it was taken; a driver kicks once for several chains. */
  KICK: 0,
  /** The device took the chain. */
  POP: 1,
  /** The device gave it back. */
  PUSH: 2,
  /** It was in the used ring for the driver to see. */
  USED: 3,
  /** The line of its interrupt rose. */
  PULSE: 4,
  CLAIM: 5,
  COMPLETE: 6,
} as const;
export type Moment = (typeof Moment)[keyof typeof Moment];

const MOMENTS = Object.keys(Moment).length;

export const Outcome = {
  IN_FLIGHT: 0,
  DONE: 1,
  /** The chain made no sense, and the queue gave it back with length 0. */
  MALFORMED: 2,
  /** The queue was stopped, or the device reset, before it came back. */
  DROPPED: 3,
  /** The record was stopped before it came back. */
  UNSEEN: 4,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** What else is known of a request, as bits. */
export const Mark = {
  /** The driver wanted no interrupt for it. */
  SUPPRESSED: 1,
  /** The device answered with an error. */
  FAILED: 2,
} as const;

/** What is known of a request when it is taken. */
export interface Taken {
  /** Index of the device in the recorder's list. */
  readonly source: number;
  readonly queue: number;
  readonly chain: number;
  readonly features: bigint;
  /** In bytes. */
  readonly readableLength: number;
  readonly writableLength: number;
  readonly outcome: Outcome;
}

/** Where the sample of a part of a request is in its byte ring. */
export interface Sample {
  readonly at: number;
  readonly length: number;
}

const float = (length: number) => new Float64Array(length);

export class RequestLog {
  readonly capacity: number;
  /** The oldest request that is kept, and one beyond the newest. */
  first = 0;
  end = 0;
  readonly #times: Float64Array;
  readonly #source: Uint16Array;
  readonly #queue: Uint16Array;
  readonly #chain: Uint16Array;
  readonly #features: BigUint64Array;
  readonly #readableLength: Float64Array;
  readonly #writableLength: Float64Array;
  readonly #written: Float64Array;
  readonly #outcome: Uint8Array;
  readonly #marks: Uint8Array;
  readonly #op: Uint16Array;
  readonly #samples: { readonly at: Float64Array; readonly length: Uint32Array }[];

  constructor(capacity = LOG_CAPACITY) {
    this.capacity = capacity;
    this.#times = float(capacity * MOMENTS);
    this.#source = new Uint16Array(capacity);
    this.#queue = new Uint16Array(capacity);
    this.#chain = new Uint16Array(capacity);
    this.#features = new BigUint64Array(capacity);
    this.#readableLength = float(capacity);
    this.#writableLength = float(capacity);
    this.#written = float(capacity);
    this.#outcome = new Uint8Array(capacity);
    this.#marks = new Uint8Array(capacity);
    this.#op = new Uint16Array(capacity);
    const column = () => ({ at: float(capacity), length: new Uint32Array(capacity) });
    this.#samples = [column(), column()];
  }

  /** Records a request at the end; its sequence number. */
  add(taken: Taken): number {
    const seq = this.end++;
    if (this.end - this.first > this.capacity) this.first++;
    const i = seq % this.capacity;
    for (let moment = 0; moment < MOMENTS; moment++) this.#times[i * MOMENTS + moment] = Number.NaN;
    this.#source[i] = taken.source;
    this.#queue[i] = taken.queue;
    this.#chain[i] = taken.chain;
    this.#features[i] = taken.features;
    this.#readableLength[i] = taken.readableLength;
    this.#writableLength[i] = taken.writableLength;
    this.#written[i] = 0;
    this.#outcome[i] = taken.outcome;
    this.#marks[i] = 0;
    this.#op[i] = 0;
    this.#samples[Part.READABLE].length[i] = 0;
    this.#samples[Part.WRITTEN].length[i] = 0;
    return seq;
  }

  has(seq: number): boolean {
    return Number.isInteger(seq) && seq >= this.first && seq < this.end;
  }

  clear(): void {
    this.first = this.end;
  }

  /** In µs since the record's beginning; NaN while it has not come. */
  time(seq: number, moment: Moment): number {
    return this.#times[(seq % this.capacity) * MOMENTS + moment];
  }

  setTime(seq: number, moment: Moment, us: number): void {
    if (seq >= this.first && seq < this.end)
      this.#times[(seq % this.capacity) * MOMENTS + moment] = us;
  }

  source(seq: number): number {
    return this.#source[seq % this.capacity];
  }

  queue(seq: number): number {
    return this.#queue[seq % this.capacity];
  }

  chain(seq: number): number {
    return this.#chain[seq % this.capacity];
  }

  /** The features negotiated when it was taken. */
  features(seq: number): bigint {
    return this.#features[seq % this.capacity];
  }

  readableLength(seq: number): number {
    return this.#readableLength[seq % this.capacity];
  }

  writableLength(seq: number): number {
    return this.#writableLength[seq % this.capacity];
  }

  /** Bytes that the device says it has written. */
  written(seq: number): number {
    return this.#written[seq % this.capacity];
  }

  setWritten(seq: number, bytes: number): void {
    this.#written[seq % this.capacity] = bytes;
  }

  outcome(seq: number): Outcome {
    return this.#outcome[seq % this.capacity] as Outcome;
  }

  setOutcome(seq: number, outcome: Outcome): void {
    if (this.has(seq)) this.#outcome[seq % this.capacity] = outcome;
  }

  isMarked(seq: number, mark: number): boolean {
    return (this.#marks[seq % this.capacity] & mark) !== 0;
  }

  mark(seq: number, mark: number): void {
    if (this.has(seq)) this.#marks[seq % this.capacity] |= mark;
  }

  /** A number for whoever names operations; 0 until it is set. */
  op(seq: number): number {
    return this.#op[seq % this.capacity];
  }

  setOp(seq: number, op: number): void {
    this.#op[seq % this.capacity] = op;
  }

  sample(seq: number, part: Part): Sample {
    const { at, length } = this.#samples[part];
    const i = seq % this.capacity;
    return { at: at[i], length: length[i] };
  }

  setSample(seq: number, part: Part, at: number, length: number): void {
    const sample = this.#samples[part];
    const i = seq % this.capacity;
    sample.at[i] = at;
    sample.length[i] = length;
  }
}

/** The two parts of a request's buffers. */
export const Part = { READABLE: 0, WRITTEN: 1 } as const;
export type Part = (typeof Part)[keyof typeof Part];
