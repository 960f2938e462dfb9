/** How the targets of computed jumps are told apart: spread over a table by some of their bits. */
import type { Edge } from "./discover.ts";

/** Targets that are told apart one after the other. */
const MAX_CHAIN = 4;
const MAX_BUCKETS = 256;

/** Distributes targets to a power of two of buckets, by the bits from `shift` on. */
export function spread(targets: readonly Edge[]): {
  readonly shift: number;
  readonly buckets: readonly Edge[][];
} {
  let best = { shift: 1, buckets: [[...targets]] };
  const longest = (buckets: readonly Edge[][]): number =>
    Math.max(...buckets.map((bucket) => bucket.length));
  for (let size = 2; size <= MAX_BUCKETS && longest(best.buckets) > MAX_CHAIN; size *= 2) {
    for (let shift = 1; shift < 6; shift++) {
      const buckets = Array.from({ length: size }, (): Edge[] => []);
      for (const edge of targets) buckets[(edge.at >> shift) & (size - 1)].push(edge);
      if (longest(buckets) < longest(best.buckets)) best = { shift, buckets };
    }
  }
  return best;
}
