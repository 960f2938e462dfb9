/**
 * What becomes of requests, event by event: noted while the guest waits, and read later, many at once. A guest's
 * turn leaves nothing of the recorder in the processor's caches. So what counts is how little is executed and
 * touched for an event, and the rest is done where it is done for all of them.
 */

/** What has happened to a queue, or to the interrupt of a slot. */
export const EventKind = {
  /** A chain was taken. */
  POPPED: 0,
  /** As `POPPED`, of a chain that makes no sense. */
  POPPED_MALFORMED: 1,
  /** A chain is given back that was taken before anybody watched. */
  FOUND: 2,
  PUSHED: 3,
  /** As `PUSHED`, with an answer that says that the request failed. */
  PUSHED_FAILED: 4,
  /** What was pushed is in the used ring, and the driver wants an interrupt. */
  NOTIFIED: 5,
  /** As `NOTIFIED`, and the line rose with it. */
  NOTIFIED_PULSED: 6,
  /** As `NOTIFIED`, but it wants none. */
  SUPPRESSED: 7,
  PULSED: 8,
  CLAIMED: 9,
  COMPLETED: 10,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** In 64 bits: some 200 requests, which are read in some tens of microseconds. */
const CAPACITY = 4096;

/** In 64 bits: of an event, of a chain that is given back, and of one that is taken. */
const SHORT = 2;
const PUSH = 5;
const POP = 6;

/** Doubles, by 64 bits. */
const TIME = 0;
const SAMPLE_AT = 2;
const SEQ = 3;
const KICKED_AT = 5;
/** By 32 bits; the kind, the slot and the queue have 8, 8 and 16 bits of one. */
const WHAT = 2;
const CHAIN = 3;
const SAMPLE_LENGTH = 8;
const LENGTH = 9;
const WRITABLE_LENGTH = 6;

/** Events have numbers that ascend, but not by one. */
export class Journal {
  /** One beyond the last event; the first is 0. */
  end = 0;
  readonly #f64 = new Float64Array(CAPACITY);
  readonly #u32 = new Uint32Array(this.#f64.buffer);

  /** There may be no room for another event: it is to be read and cleared first. */
  get isFull(): boolean {
    return this.end > CAPACITY - POP;
  }

  add(kind: EventKind, slot: number, queue: number, time: number): void {
    this.#begin(kind, slot, queue, time);
    this.end += SHORT;
  }

  /** A chain was taken that was kicked for then, and so much of its readable part was kept. */
  addPop(
    kind: EventKind,
    slot: number,
    queue: number,
    time: number,
    kickedAt: number,
    chain: {
      readonly id: number;
      readonly readableLength: number;
      readonly writableLength: number;
    },
    sampleAt: number,
    sampleLength: number,
  ): void {
    this.#begin(kind, slot, queue, time);
    const u32 = this.end << 1;
    this.#u32[u32 + CHAIN] = chain.id;
    this.#f64[this.end + SAMPLE_AT] = sampleAt;
    this.#u32[u32 + WRITABLE_LENGTH] = chain.writableLength;
    this.#u32[u32 + SAMPLE_LENGTH] = sampleLength;
    this.#u32[u32 + LENGTH] = chain.readableLength;
    this.#f64[this.end + KICKED_AT] = kickedAt;
    this.end += POP;
  }

  /** The chain of a request was given back, and so much of what was written was kept. */
  addPush(
    kind: EventKind,
    slot: number,
    queue: number,
    time: number,
    seq: number,
    bytesWritten: number,
    sampleAt: number,
    sampleLength: number,
  ): void {
    this.#begin(kind, slot, queue, time);
    const u32 = this.end << 1;
    this.#f64[this.end + SAMPLE_AT] = sampleAt;
    this.#f64[this.end + SEQ] = seq;
    this.#u32[u32 + SAMPLE_LENGTH] = sampleLength;
    this.#u32[u32 + LENGTH] = bytesWritten;
    this.end += PUSH;
  }

  /** The line rose with the last event, which was a `NOTIFIED`. */
  addPulse(): void {
    this.#u32[((this.end - SHORT) << 1) + WHAT] += EventKind.NOTIFIED_PULSED - EventKind.NOTIFIED;
  }

  clear(): void {
    this.end = 0;
  }

  /** The event after one. */
  next(event: number): number {
    const kind = this.kind(event);
    if (kind >= EventKind.NOTIFIED) return event + SHORT;
    return event + (kind >= EventKind.PUSHED ? PUSH : POP);
  }

  time(event: number): number {
    return this.#f64[event + TIME];
  }

  kind(event: number): EventKind {
    return (this.#u32[(event << 1) + WHAT] & 0xff) as EventKind;
  }

  slot(event: number): number {
    return (this.#u32[(event << 1) + WHAT] >>> 8) & 0xff;
  }

  queue(event: number): number {
    return this.#u32[(event << 1) + WHAT] >>> 16;
  }

  /** Of a chain that was taken: its id and the lengths of its parts. */
  chain(event: number): number {
    return this.#u32[(event << 1) + CHAIN];
  }

  kickedAt(event: number): number {
    return this.#f64[event + KICKED_AT];
  }

  readableLength(event: number): number {
    return this.#u32[(event << 1) + LENGTH];
  }

  writableLength(event: number): number {
    return this.#u32[(event << 1) + WRITABLE_LENGTH];
  }

  /** Of one that was given back: its request, and how much the device says it has written. */
  seq(event: number): number {
    return this.#f64[event + SEQ];
  }

  bytesWritten(event: number): number {
    return this.#u32[(event << 1) + LENGTH];
  }

  /** Of either. */
  sampleAt(event: number): number {
    return this.#f64[event + SAMPLE_AT];
  }

  sampleLength(event: number): number {
    return this.#u32[(event << 1) + SAMPLE_LENGTH];
  }

  #begin(kind: EventKind, slot: number, queue: number, time: number): void {
    this.#f64[this.end + TIME] = time;
    this.#u32[(this.end << 1) + WHAT] = kind | (slot << 8) | (queue << 16);
  }
}
