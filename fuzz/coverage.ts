/** Which code has ever run, by V8's block coverage. */
import { type Profiler, Session } from "node:inspector";

/** Only what guests talk to; not the tests' own half. */
const WATCHED = /\/src\/virtio\/(?!testing\/).*\.ts$/;

export class Coverage {
  readonly #session = new Session();
  /** By function: which of its characters have run. */
  readonly #seen = new Map<string, Uint8Array>();
  #blocks = 0;

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Runs of code that were reached for the first time, so far. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Whether anything that has run since the last call never ran before; `add` remembers it. */
  take(add: boolean): boolean {
    let isNew = false;
    // In-process, so that the answer is there when the call returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      for (const { url, functions } of result) {
        if (!WATCHED.test(url)) continue;
        for (const { ranges } of functions) if (this.#look(url, ranges, add)) isNew = true;
      }
    });
    return isNew;
  }

  #look(url: string, ranges: readonly Profiler.CoverageRange[], add: boolean): boolean {
    const [{ startOffset: start, endOffset: end, count }] = ranges;
    if (count === 0) return false;
    // Ranges are nested, outer ones first, and a missing one counts as the one around it.
    const ran = new Uint8Array(end - start).fill(1);
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
    }
    const key = `${url}:${start}`;
    const seen = this.#seen.get(key) ?? new Uint8Array(ran.length);
    const isNew = ran.some((value, at) => value > seen[at]);
    if (!isNew || !add) return isNew;
    let wasFirst = false;
    for (const [at, value] of ran.entries()) {
      const isFirst = value > seen[at];
      if (isFirst && !wasFirst) this.#blocks++;
      wasFirst = isFirst;
      if (isFirst) seen[at] = 1;
    }
    this.#seen.set(key, seen);
    return true;
  }
}
