/** Segments that arrived before their turn, kept sorted and apart from each other. */
import type { SequenceRange } from "../../wire/tcp.ts";
import { advance, distance } from "./sequence.ts";

/**
 * Segments kept. A receive window of full segments is 719; more are tiny ones, which cost more
 * memory than they carry and which their sender repeats.
 */
export const MAX_EARLY_SEGMENTS = 1024;

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

  /** Keeps what is new of a segment that starts after what was received, as far as there is room. */
  insert(sequence: number, payload: Uint8Array): void {
    let rest = payload;
    let start = sequence;
    let at = this.#early.findIndex((early) => distance(early.sequence, start) > 0);
    if (at === -1) at = this.#early.length;
    const before = this.#early[at - 1];
    if (before !== undefined) {
      const covered = distance(advance(before.sequence, before.payload.length), start);
      rest = rest.subarray(Math.max(0, covered));
      start = advance(start, Math.max(0, covered));
    }
    while (rest.length > 0 && this.#early.length < MAX_EARLY_SEGMENTS) {
      const after = this.#early[at];
      const gap = after === undefined ? rest.length : distance(after.sequence, start);
      if (gap > 0) {
        this.#early.splice(at, 0, { sequence: start, payload: rest.subarray(0, gap) });
        at += 1;
      }
      const known = gap + (after?.payload.length ?? 0);
      rest = rest.subarray(known);
      start = advance(start, known);
      at += 1;
    }
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
