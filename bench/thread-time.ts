/**
 * How long a thread has used a processor, on Linux: what others do on the same computer is not in it, but
 * for what they take of its caches. Every figure is in nanoseconds.
 */
import { readdirSync, readFileSync } from "node:fs";
import { median } from "./median.ts";

/** A thread by its folder in `/proc`. */
export type Thread = string;

/** The first thread of a process has its number. */
export const threadOf = (pid: number, tid: number): Thread => `/proc/${pid}/task/${tid}`;

/** Threads of a process whose names begin so; the kernel keeps 15 characters of a name. */
export function threadsOf(pid: number, name: string): Thread[] {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => threadOf(pid, Number(tid)))
    .filter((thread) => readFileSync(`${thread}/comm`, "utf8").startsWith(name));
}

/** Exact for a thread that is at rest; of a busy one the kernel counts only now and then. */
export function timeOf(thread: Thread): number {
  return Number(readFileSync(`${thread}/schedstat`, "utf8").split(" ", 1)[0]);
}

const gate = new Int32Array(new SharedArrayBuffer(4));

/** Of the thread that asks. */
export function ownTime(): number {
  Atomics.wait(gate, 0, 0, 1);
  return timeOf("/proc/thread-self");
}

export interface Cost {
  /** By how much the runs with it take longer than those without, as a share of these. */
  readonly median: number;
  /** Where the median of more and more such pairs would be, at 95%, if they were independent. */
  readonly interval: readonly [number, number];
  /** As the median, of the fastest quarter of runs with and that of runs without: others disturbed these least. */
  readonly fastest: number;
}

/**
 * What something costs, by pairs of runs with and without it. Of each pair both orders take turns, so that
 * what becomes faster or slower with time does not count.
 */
export async function costOf(
  pairs: number,
  run: (isWith: boolean) => Promise<number>,
): Promise<Cost> {
  const times: [number, number][] = [];
  for (let pair = 0; pair < pairs; pair++) {
    const isFirst = pair % 2 === 0;
    const first = await run(isFirst);
    const second = await run(!isFirst);
    times.push(isFirst ? [first, second] : [second, first]);
  }
  return costOfPairs(times);
}

/** As `costOf`, of what has been measured: how long it takes with and without. */
export function costOfPairs(pairs: readonly (readonly [number, number])[]): Cost {
  const sorted = pairs.map(([withIt, without]) => withIt / without - 1).sort((a, b) => a - b);
  // By the binomial distribution of how many pairs lie below it, as if that were normal.
  const below = Math.max(0, Math.floor((sorted.length - 1.96 * Math.sqrt(sorted.length)) / 2));
  return {
    median: median(sorted),
    interval: [sorted[below], sorted[sorted.length - 1 - below]],
    fastest:
      fastest(pairs.map(([withIt]) => withIt)) / fastest(pairs.map(([, without]) => without)) - 1,
  };
}

/** The median of the fastest quarter. */
function fastest(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  return median(sorted.slice(0, Math.ceil(sorted.length / 4)));
}

export function formatCost({ median: middle, interval, fastest: least }: Cost): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const [from, to] = interval.map(percent);
  return `${percent(middle).padStart(7)} (from ${from} to ${to}), ${percent(least)} of the fastest`;
}
