/**
 * A bounded record of requests: a ring of rows in one buffer, so that a hundred thousand of them cost neither
 * objects nor the collector's time. Requests have sequence numbers from 0; the oldest make room.
 */
/**
 * Requests kept: a quarter of an hour of a guest at work, or some seconds of a benchmark's worst. A power
 * of two, so that a row is found without a division. They take 16 MiB.
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
  /** Requests before it were left out, since nobody looked and there were too many. */
  AFTER_GAP: 4,
} as const;

/** Where the sample of a part of a request is in its byte ring. */
export interface Sample {
  readonly at: number;
  readonly length: number;
}

/**
 * A row has 128 bytes: what is recorded of a request touches two of a processor's cache lines and not one for
 * each column, which it has to wait for. Fields are where their place says, counted in their own size.
 */
const ROW_SHIFT = 7;

/** Doubles: the times, by their moments, then where the samples are, by their parts. */
const TIMES = 0;
const SAMPLE_AT = 7;
/** 64 bits. */
const FEATURES = 9;
/** 32 bits, as many as a chain's length has: `DescriptorWalk` takes no longer one. */
const SAMPLE_LENGTH = 20;
const READABLE_LENGTH = 22;
const WRITABLE_LENGTH = 23;
const WRITTEN = 24;
/** 16 bits. */
const SOURCE = 50;
const QUEUE = 51;
const CHAIN = 52;
const OP = 53;
/** Bytes. */
const OUTCOME = 108;
const MARKS = 109;

export class RequestLog {
  readonly capacity: number;
  /** The oldest request that is kept, and one beyond the newest. */
  first = 0;
  end = 0;
  readonly #mask: number;
  readonly #f64: Float64Array;
  readonly #u64: BigUint64Array;
  readonly #u32: Uint32Array;
  readonly #u16: Uint16Array;
  readonly #u8: Uint8Array;

  /** @throws RangeError if `capacity` is not a power of two */
  constructor(capacity = LOG_CAPACITY) {
    if ((capacity & (capacity - 1)) !== 0) throw new RangeError(`${capacity} is no power of two`);
    this.capacity = capacity;
    this.#mask = capacity - 1;
    const rows = new ArrayBuffer(capacity << ROW_SHIFT);
    this.#f64 = new Float64Array(rows);
    this.#u64 = new BigUint64Array(rows);
    this.#u32 = new Uint32Array(rows);
    this.#u16 = new Uint16Array(rows);
    this.#u8 = new Uint8Array(rows);
  }

  /**
   * Records a request at the end; its sequence number. `source` is the index of its device in the recorder's
   * list.
   */
  add(
    source: number,
    queue: number,
    features: bigint,
    chain: number,
    readableLength: number,
    writableLength: number,
    outcome: Outcome,
  ): number {
    const seq = this.end++;
    if (this.end - this.first > this.capacity) this.first++;
    const u64 = this.#word(seq);
    const u32 = u64 << 1;
    const u16 = u64 << 2;
    const u8 = u64 << 3;
    for (let moment = 0; moment < MOMENTS; moment++) this.#f64[u64 + TIMES + moment] = Number.NaN;
    this.#u64[u64 + FEATURES] = features;
    this.#u32[u32 + SAMPLE_LENGTH + Part.READABLE] = 0;
    this.#u32[u32 + SAMPLE_LENGTH + Part.WRITTEN] = 0;
    this.#u32[u32 + READABLE_LENGTH] = readableLength;
    this.#u32[u32 + WRITABLE_LENGTH] = writableLength;
    this.#u32[u32 + WRITTEN] = 0;
    this.#u16[u16 + SOURCE] = source;
    this.#u16[u16 + QUEUE] = queue;
    this.#u16[u16 + CHAIN] = chain;
    this.#u16[u16 + OP] = 0;
    this.#u8[u8 + OUTCOME] = outcome;
    this.#u8[u8 + MARKS] = 0;
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
    return this.#f64[this.#word(seq) + TIMES + moment];
  }

  setTime(seq: number, moment: Moment, us: number): void {
    if (seq >= this.first && seq < this.end) this.#f64[this.#word(seq) + TIMES + moment] = us;
  }

  source(seq: number): number {
    return this.#u16[(this.#word(seq) << 2) + SOURCE];
  }

  queue(seq: number): number {
    return this.#u16[(this.#word(seq) << 2) + QUEUE];
  }

  chain(seq: number): number {
    return this.#u16[(this.#word(seq) << 2) + CHAIN];
  }

  /** The features negotiated when it was taken. */
  features(seq: number): bigint {
    return this.#u64[this.#word(seq) + FEATURES];
  }

  readableLength(seq: number): number {
    return this.#u32[(this.#word(seq) << 1) + READABLE_LENGTH];
  }

  writableLength(seq: number): number {
    return this.#u32[(this.#word(seq) << 1) + WRITABLE_LENGTH];
  }

  /** Bytes that the device says it has written. */
  written(seq: number): number {
    return this.#u32[(this.#word(seq) << 1) + WRITTEN];
  }

  setWritten(seq: number, bytes: number): void {
    this.#u32[(this.#word(seq) << 1) + WRITTEN] = bytes;
  }

  outcome(seq: number): Outcome {
    return this.#u8[(this.#word(seq) << 3) + OUTCOME] as Outcome;
  }

  setOutcome(seq: number, outcome: Outcome): void {
    if (this.has(seq)) this.#u8[(this.#word(seq) << 3) + OUTCOME] = outcome;
  }

  isMarked(seq: number, mark: number): boolean {
    return (this.#u8[(this.#word(seq) << 3) + MARKS] & mark) !== 0;
  }

  mark(seq: number, mark: number): void {
    if (this.has(seq)) this.#u8[(this.#word(seq) << 3) + MARKS] |= mark;
  }

  /** A number for whoever names operations; 0 until it is set. */
  op(seq: number): number {
    return this.#u16[(this.#word(seq) << 2) + OP];
  }

  setOp(seq: number, op: number): void {
    this.#u16[(this.#word(seq) << 2) + OP] = op;
  }

  sample(seq: number, part: Part): Sample {
    const word = this.#word(seq);
    const length = this.#u32[(word << 1) + SAMPLE_LENGTH + part];
    return { at: this.#f64[word + SAMPLE_AT + part], length };
  }

  setSample(seq: number, part: Part, at: number, length: number): void {
    const word = this.#word(seq);
    this.#f64[word + SAMPLE_AT + part] = at;
    this.#u32[(word << 1) + SAMPLE_LENGTH + part] = length;
  }

  /** Where the row of a request begins, in words of 64 bits. */
  #word(seq: number): number {
    return (seq & this.#mask) << (ROW_SHIFT - 3);
  }
}

/** The two parts of a request's buffers. */
export const Part = { READABLE: 0, WRITTEN: 1 } as const;
export type Part = (typeof Part)[keyof typeof Part];
