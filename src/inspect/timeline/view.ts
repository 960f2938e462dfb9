/**
 * The requests that a filter lets through, in their order. The record is read a little at a time, as
 * often as somebody looks, since to read it all at once would hold the guest.
 */
import { type Filter, parseFilter } from "./filter.ts";
import type { RequestReader } from "./reader.ts";

/**
 * Requests that are read at once between two looks at the clock. One that has to be decoded takes some
 * 5 µs, so that the time that is allowed is exceeded by less than a millisecond.
 */
const BATCH = 128;

/**
 * Requests that may still change and are read again each time: more than devices at work hold. Where a
 * guest leaves more without an end, the oldest keep the answer that they had last.
 */
const MAX_UNSETTLED = 1024;

export class TimelineView {
  readonly text: string;
  /** Changes whenever a request came between others or went, so that those behind it have other indices. */
  revision = 0;
  readonly #reader: RequestReader;
  readonly #filter: Filter;
  /** Ascending; those before `#gone` are no longer kept. */
  #matches: number[] = [];
  #gone = 0;
  /** How many matches have been dropped from the front of `#matches`, ever. */
  #dropped = 0;
  /** Ascending. */
  #unsettled: number[] = [];
  #next = 0;

  /** @throws FilterError */
  constructor(text: string, reader: RequestReader) {
    this.text = text;
    this.#reader = reader;
    this.#filter = parseFilter(text);
  }

  /** Index of the oldest match, counted from the first that there ever was, and beyond the newest. */
  get first(): number {
    return this.#dropped + this.#gone;
  }

  get end(): number {
    return this.#dropped + this.#matches.length;
  }

  /** The share of the record that has been read, from 0 to 1. */
  get progress(): number {
    const { first, end } = this.#reader.recorder.log;
    return end === first ? 1 : Math.max(0, this.#next - first) / (end - first);
  }

  /** The sequence number of a match between `first` and `end`. */
  at(index: number): number {
    return this.#matches[index - this.#dropped];
  }

  /** The index of the first match that is `seq` or newer. */
  indexOf(seq: number): number {
    return this.#dropped + Math.max(this.#gone, this.#search(seq));
  }

  /** The matches, oldest first. */
  *matches(): Iterable<number> {
    for (let i = this.#gone; i < this.#matches.length; i++) yield this.#matches[i];
  }

  /** Reads on until it is done or `isTime` says so. */
  update(isTime: () => boolean): void {
    const { log } = this.#reader.recorder;
    this.#forget(log.first);
    this.#readAgain();
    this.#next = Math.max(this.#next, log.first);
    do {
      const end = Math.min(log.end, this.#next + BATCH);
      for (; this.#next < end; this.#next++) this.#readNew(this.#next);
    } while (this.#next < log.end && !isTime());
    const tooMany = this.#unsettled.length - MAX_UNSETTLED;
    if (tooMany > 0) this.#unsettled.splice(0, tooMany);
  }

  #readNew(seq: number): void {
    if (this.#filter(this.#reader, seq)) this.#matches.push(seq);
    if (!this.#reader.isSettled(seq)) this.#unsettled.push(seq);
  }

  #readAgain(): void {
    this.#unsettled = this.#unsettled.filter((seq) => {
      this.#put(seq, this.#filter(this.#reader, seq));
      return !this.#reader.isSettled(seq);
    });
  }

  #put(seq: number, isMatch: boolean): void {
    const at = this.#search(seq);
    const wasMatch = this.#matches[at] === seq;
    if (isMatch === wasMatch) return;
    this.revision++;
    this.#matches.splice(at, wasMatch ? 1 : 0, ...(isMatch ? [seq] : []));
  }

  /** What has made room for newer requests is no match any more. */
  #forget(first: number): void {
    while (this.#matches[this.#gone] < first) this.#gone++;
    const kept = this.#unsettled.findIndex((seq) => seq >= first);
    this.#unsettled.splice(0, kept < 0 ? this.#unsettled.length : kept);
    // Moving the rest is worth it only now and then.
    if (this.#gone * 2 <= this.#matches.length) return;
    this.#matches.splice(0, this.#gone);
    this.#dropped += this.#gone;
    this.#gone = 0;
  }

  /** Where `seq` is in `#matches`, or would be. */
  #search(seq: number): number {
    let low = 0;
    let high = this.#matches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#matches[middle] < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
