/** The requests that the list shows: fetched when they are needed, and kept for a while. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { IndexedRow, Remote, TimelineState } from "../../inspect/calls.ts";

/** Indices from `from` to before `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What is drawn: these indices and, as far as they are known, their requests. */
export interface Picture extends Range {
  readonly rows: readonly (IndexedRow | undefined)[];
}

export interface Wanted {
  readonly machine: Remote;
  readonly state: TimelineState;
  /** What can be seen, and what is to be drawn, which is more. */
  readonly seen: Range;
  readonly drawn: Range;
  /** Rows to be fetched beyond what is seen, above and below. */
  readonly margin: number;
}

/** Rows that are kept after they were seen. */
const MAX_CACHED = 4000;

const NOTHING: Picture = { from: 0, to: 0, rows: [] };

export interface Rows {
  readonly picture: Picture;
  readonly known: ReadonlyMap<number, IndexedRow>;
}

/**
 * Requests come some milliseconds after they are asked for. Until those in sight are there the picture is that of
 * the last that came: who drags the scroll bar sees rows that are a frame late, but none that are empty.
 */
export function useRows(wanted: Wanted): Rows {
  const { machine, state, seen, drawn } = wanted;
  const cache = useRef(new Map<number, IndexedRow>());
  const [answers, setAnswers] = useState(0);
  const latest = useRef(wanted);
  latest.current = wanted;
  const isAsking = useRef(false);
  const hasChanged = useRef(false);
  const answered = useRef<Range | undefined>(undefined);
  // Before anything is read from the cache: in another list others have these indices.
  useMemo(() => {
    cache.current.clear();
    answered.current = undefined;
  }, [machine, state.revision]);
  const isThere = lacking(seen, (index) => cache.current.has(index)) === undefined;
  const last = useRef(NOTHING);
  const shown = isThere ? knownAround(cache.current, seen, drawn) : answered.current;
  last.current = useMemo(
    () => (shown === undefined ? last.current : pictureOf(cache.current, shown)),
    [shown?.from, shown?.to, answers, state.revision],
  );
  useLayoutEffect(() => {
    hasChanged.current = true;
    const ask = async (): Promise<void> => {
      isAsking.current = true;
      // Meanwhile the person may scroll on, and see others.
      while (hasChanged.current) {
        hasChanged.current = false;
        const asked = latest.current;
        const next = missing(cache.current, asked);
        if (next === undefined) continue;
        const { revision } = asked.state;
        const rows = await asked.machine
          .timelineRows(next.from, next.to - next.from, revision)
          .catch(() => []);
        const { machine: now, state: then } = latest.current;
        if (now !== asked.machine || then.revision !== revision) continue;
        for (const row of rows) cache.current.set(row.index, row);
        forget(cache.current, asked.drawn);
        answered.current = asked.drawn;
        setAnswers((count) => count + 1);
      }
      isAsking.current = false;
    };
    if (!isAsking.current) void ask();
  }, [machine, state, seen.from, seen.to]);
  return { picture: last.current, known: cache.current };
}

/** What is in sight, and beyond it what is to be drawn as far as it is known without a gap. */
export function knownAround(
  cache: ReadonlyMap<number, IndexedRow>,
  seen: Range,
  drawn: Range,
): Range {
  let { from, to } = seen;
  while (from > drawn.from && cache.has(from - 1)) from--;
  while (to < drawn.to && cache.has(to)) to++;
  return { from, to };
}

function pictureOf(cache: ReadonlyMap<number, IndexedRow>, { from, to }: Range): Picture {
  return { from, to, rows: Array.from({ length: to - from }, (_, i) => cache.get(from + i)) };
}

/** The part of a range that is between its first and its last index that is not good. */
function lacking({ from, to }: Range, isGood: (index: number) => boolean): Range | undefined {
  let [first, end] = [from, to];
  while (first < end && isGood(first)) first++;
  while (first < end && isGood(end - 1)) end--;
  return first < end ? { from: first, to: end } : undefined;
}

/**
 * What to fetch: what is drawn and may have changed or is not there, and no more, since somebody who scrolls
 * fast sees other rows soon; then up to `margin` rows beyond what is seen, if these will soon be missing.
 */
export function missing(
  cache: ReadonlyMap<number, IndexedRow>,
  { state: { first, end }, seen, drawn, margin }: Omit<Wanted, "machine">,
): Range | undefined {
  const isThere = (index: number): boolean => cache.has(index);
  const isSeen = (index: number): boolean => index >= seen.from && index < seen.to;
  const isKnown = (index: number): boolean => {
    const row = cache.get(index);
    return row !== undefined && (row.isSettled || !isSeen(index));
  };
  const around = (rows: number): Range => ({
    from: Math.max(first, Math.min(drawn.from, seen.from - rows)),
    to: Math.min(end, Math.max(drawn.to, seen.to + rows)),
  });
  if (lacking(seen, isThere) !== undefined) return lacking(drawn, isKnown);
  const isEnough = lacking(around(margin / 2), isThere) === undefined;
  return lacking(around(isEnough ? 0 : margin), isKnown);
}

/** What was fetched first goes first, but nothing of what is drawn. */
export function forget(cache: Map<number, IndexedRow>, { from, to }: Range): void {
  let tooMany = cache.size - MAX_CACHED;
  for (const index of cache.keys()) {
    if (tooMany <= 0) return;
    if (index >= from && index < to) continue;
    cache.delete(index);
    tooMany--;
  }
}
