/** Segments that arrived before their turn, kept sorted and apart from each other. */
import type { SequenceRange } from "../../wire/tcp.ts";
import { advance, distance } from "./sequence.ts";

/**
 * Segments kept. A receive window of full segments is 360; more are tiny ones, which cost more
 * memory than they carry and which their sender repeats.
 */
export const MAX_EARLY_SEGMENTS = 512;

/** Ranges that fit beside other options in a header of 60 bytes (RFC 2018 3). */
const MAX_SACK_RANGES = 4;

interface Early {
  readonly sequence: number;
  readonly payload: Uint8Array;
}

export class Reassembly {
  readonly #early: Early[] = [];

  get size(): number {
    return this.#early.length;
  }

  /** Keeps a segment that starts after what was received; false when it was not kept. */
  insert(sequence: number, payload: Uint8Array): boolean {
    if (this.#early.length >= MAX_EARLY_SEGMENTS) return false;
    let at = this.#early.length;
    while (at > 0 && distance(sequence, this.#early[at - 1].sequence) < 0) at -= 1;
    const before = this.#early[at - 1];
    const after = this.#early[at];
    let start = sequence;
    let end = advance(sequence, payload.length);
    if (before !== undefined) {
      const covered = advance(before.sequence, before.payload.length);
      if (distance(covered, start) > 0) start = covered;
    }
    if (after !== undefined && distance(end, after.sequence) > 0) end = after.sequence;
    if (distance(end, start) <= 0) return false;
    const skipped = distance(start, sequence);
    const kept = payload.subarray(skipped, skipped + distance(end, start));
    this.#early.splice(at, 0, { sequence: start, payload: kept });
    return true;
  }

  /** Removes and returns the bytes that start at `next` or cover it, or undefined. */
  take(next: number): Uint8Array | undefined {
    for (;;) {
      const first = this.#early[0];
      if (first === undefined) return undefined;
      const late = distance(next, first.sequence);
      if (late < 0) return undefined;
      this.#early.shift();
      if (late < first.payload.length) return first.payload.subarray(late);
    }
  }

  /** What is kept, as at most 4 ranges, the lowest first. */
  ranges(): SequenceRange[] {
    const ranges: { start: number; end: number }[] = [];
    for (const { sequence, payload } of this.#early) {
      const last = ranges.at(-1);
      const end = advance(sequence, payload.length);
      if (last !== undefined && last.end === sequence) last.end = end;
      else if (ranges.length === MAX_SACK_RANGES) break;
      else ranges.push({ start: sequence, end });
    }
    return ranges;
  }
}
