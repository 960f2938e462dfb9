/** The pages of guest memory that a saved machine has: those that are not zero. */
import { type GuestMemory, isZero, PAGE_BYTES } from "../../memory/guest-memory.ts";
import { LoadError } from "../load-error.ts";
import type { Bytes } from "./gzip.ts";
import { damaged, type PageRun } from "./saved-file.ts";

/** Pages that are copied as one. */
const RUN_PAGES_MAX = 256;

/** Guest physical addresses, all of them memory. */
interface Range {
  readonly base: number;
  readonly size: number;
}

export interface SavedPages {
  readonly runs: PageRun[];
  /** For each run its bytes. */
  readonly copies: Bytes[];
}

/** Copies pages as they are now, so that the guest may go on. @throws LoadError without memory for that */
export function copyPages(memory: GuestMemory, ranges: readonly Range[]): SavedPages {
  const runs: PageRun[] = [];
  const copies: Bytes[] = [];
  try {
    for (const { base, size } of ranges) {
      for (const [gpa, pages] of runsOf(memory, base, base + size)) {
        runs.push([gpa, pages]);
        copies.push(new Uint8Array(memory.view(gpa, pages * PAGE_BYTES)!));
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LoadError("There is no memory to save the machine in.", "Close other tabs.");
  }
  return { runs, copies };
}

function* runsOf(memory: GuestMemory, from: number, to: number): Generator<PageRun> {
  let first = from;
  for (let gpa = from; gpa < to; gpa += PAGE_BYTES) {
    const isEmpty = isZero(memory.view(gpa, PAGE_BYTES)!);
    const pages = (gpa - first) / PAGE_BYTES;
    if (pages > 0 && (isEmpty || pages === RUN_PAGES_MAX)) yield [first, pages];
    if (isEmpty) first = gpa + PAGE_BYTES;
    else if (pages === RUN_PAGES_MAX) first = gpa;
  }
  if (first < to) yield [first, (to - first) / PAGE_BYTES];
}

/**
 * Brings pages into memory that is zero. @throws LoadError if the file is damaged or its pages are not
 * this machine's; memory is zero again then
 */
export async function placePages(
  memory: GuestMemory,
  runs: readonly PageRun[],
  pages: AsyncIterable<Bytes>,
): Promise<void> {
  const views = runs.map(([gpa, count]) => memory.view(gpa, count * PAGE_BYTES));
  const targets = views.filter((view) => view !== undefined);
  if (targets.length < views.length) throw damaged(new RangeError("pages that are no memory"));
  let next = 0;
  let at = 0;
  try {
    for await (const piece of pages) {
      for (let from = 0; from < piece.length; ) {
        const target = targets[next];
        const count = Math.min(piece.length - from, target.length - at);
        target.set(piece.subarray(from, from + count), at);
        from += count;
        at += count;
        if (at < target.length) continue;
        next++;
        at = 0;
      }
    }
  } catch (error) {
    for (const target of targets.slice(0, next + 1)) target.fill(0);
    throw error;
  }
}
