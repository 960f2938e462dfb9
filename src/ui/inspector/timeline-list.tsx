/** The list of requests. Only the rows that can be seen exist, and only they are fetched. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Remote, TimelineRow, TimelineState } from "../../inspect/calls.ts";
import { formatDuration, formatMoment } from "./time-format.ts";
import { Waterfall, WaterfallAxis } from "./timeline-waterfall.tsx";

/** Height of a row in CSS pixels. */
const ROW_PX = 24;

/**
 * Rows fetched beyond what is seen, above and below: half a second of fast scrolling. Hardly any while the
 * newest are followed, where other rows are seen at each look.
 */
const MARGIN = 160;

/** Rows drawn beyond what is seen, so that none is missing while the next are drawn. */
const OVERDRAW = 4;

/** Who has not scrolled for so long, in ms, does not scroll. */
const SCROLL_MS = 150;

/** Rows that are kept after they were seen. */
const MAX_CACHED = 4000;

export interface TimelineListProps {
  readonly machine: Remote;
  readonly state: TimelineState;
  readonly selected: number | undefined;
  /** Of the selected request among the matches. */
  readonly selectedIndex: number | undefined;
  readonly onSelect: (seq: number) => void;
}

export function TimelineList(props: TimelineListProps): JSX.Element {
  const { state, selected, selectedIndex } = props;
  const { first, end } = state;
  const { list, top, height, isFollowing, isMoving, onScroll } = useWindow(
    state,
    selected === undefined,
  );
  const seen = Math.ceil(height / ROW_PX);
  const rows = useRows(props, top, top + seen, isFollowing ? 2 * OVERDRAW : MARGIN);
  const step = useStep(props, list);
  // What is selected stays in sight, also when its details take some of the list's room.
  useLayoutEffect(() => {
    if (selectedIndex !== undefined) bringIntoView(list.current, selectedIndex - first);
  }, [selected, selectedIndex === undefined, height]);
  const from = Math.max(first, top - OVERDRAW);
  const to = Math.min(end, top + seen + OVERDRAW);
  // A row that has gone out of sight is used for one that comes in: to make its elements costs most.
  const slots = seen + 2 * OVERDRAW;
  const indices = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  // To move a row within its parent costs as much, so they are in order only while nobody scrolls.
  if (isMoving) indices.sort((a, b) => (a % slots) - (b % slots));
  return (
    <div
      class="timeline-list"
      ref={list}
      role="listbox"
      tabIndex={0}
      aria-label="Requests"
      aria-activedescendant={selectedIndex === undefined ? undefined : rowId(selectedIndex)}
      style={{ "--row": `${ROW_PX}px` }}
      onScroll={onScroll}
      onKeyDown={step}
    >
      <Head />
      <div class="timeline-space" style={{ height: `${(end - first) * ROW_PX}px` }}>
        {indices.map((index) => (
          <Row
            key={index % slots}
            index={index}
            first={first}
            count={end - first}
            row={rows.get(index)}
            isSelected={rows.get(index)?.seq === selected && selected !== undefined}
            onSelect={props.onSelect}
          />
        ))}
      </div>
    </div>
  );
}

const rowId = (index: number): string => `timeline-row-${index}`;

function Head(): JSX.Element {
  return (
    <div class="timeline-row timeline-head" aria-hidden="true">
      {["#", "Time", "Device", "Q", "Request", "Bytes", "Latency"].map((name) => (
        <span key={name}>{name}</span>
      ))}
      <WaterfallAxis />
    </div>
  );
}

interface RowProps {
  readonly index: number;
  readonly first: number;
  readonly count: number;
  readonly row: TimelineRow | undefined;
  readonly isSelected: boolean;
  readonly onSelect: (seq: number) => void;
}

function Row({ index, first, count, row, isSelected, onSelect }: RowProps): JSX.Element {
  const select = (): void => {
    if (row !== undefined) onSelect(row.seq);
  };
  // Most rows that are drawn while somebody scrolls are the same as in the picture before.
  const cells = useMemo(() => row !== undefined && <Cells row={row} />, [row]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: The keys are the list's, which has the focus.
    <div
      id={rowId(index)}
      class="timeline-row"
      role="option"
      tabIndex={-1}
      aria-posinset={index - first + 1}
      aria-setsize={count}
      aria-selected={isSelected}
      data-outcome={row?.outcome}
      data-gap={row?.isAfterGap || undefined}
      style={{ transform: `translateY(${(index - first) * ROW_PX}px)` }}
      onClick={select}
    >
      {cells}
    </div>
  );
}

function Cells({ row }: { row: TimelineRow }): JSX.Element {
  const note = row.outcome === "done" ? "" : ` · ${row.outcome}`;
  return (
    <>
      <span>{row.seq}</span>
      <span>{formatMoment(row.at)}</span>
      <span>{row.device}</span>
      <span>{row.queue}</span>
      <span title={row.summary}>
        <b>{row.op}</b> {row.summary}
        <em>{note}</em>
      </span>
      <span>{row.length}</span>
      <span>{row.latency === undefined ? "…" : formatDuration(row.latency)}</span>
      <Waterfall row={row} />
    </>
  );
}

/**
 * Which part of the list is seen. It stays at the end if it was there and nothing is being read, and
 * else where it is.
 */
function useWindow({ first, end }: TimelineState, follows: boolean) {
  const list = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const [height, setHeight] = useState(0);
  const isAtEnd = useRef(true);
  const scrolledAt = useRef(Number.NEGATIVE_INFINITY);
  const lastFirst = useRef(first);
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - ROW_PX;
    scrolledAt.current = performance.now();
    setScroll(scrollTop);
  };
  useEffect(() => {
    const observer = new ResizeObserver(() => setHeight(list.current?.clientHeight ?? 0));
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  const isFollowing = isAtEnd.current && follows;
  useLayoutEffect(() => {
    const element = list.current!;
    // What has made room above must not move what somebody is reading.
    const gone = Math.max(0, first - lastFirst.current);
    lastFirst.current = first;
    if (isFollowing) element.scrollTop = element.scrollHeight;
    else if (gone > 0) element.scrollTop -= gone * ROW_PX;
    setScroll(element.scrollTop);
  }, [first, end]);
  const isMoving = performance.now() - scrolledAt.current < SCROLL_MS;
  return {
    list,
    top: first + Math.floor(scroll / ROW_PX),
    height,
    isFollowing,
    isMoving,
    onScroll,
  };
}

/** The rows of the window by their index, as far as they have come. */
function useRows(
  { machine, state }: TimelineListProps,
  top: number,
  bottom: number,
  margin: number,
) {
  const cache = useRef(new Map<number, TimelineRow>());
  const [, redraw] = useState(0);
  const isAsking = useRef(false);
  const wanted = useRef<Range | undefined>(undefined);
  const revision = useRef(state.revision);
  useLayoutEffect(() => {
    cache.current.clear();
    revision.current = state.revision;
  }, [machine, state.revision]);
  useEffect(() => {
    const seen = { from: Math.max(state.first, top), to: Math.min(state.end, bottom) };
    wanted.current = missing(cache.current, seen, state, margin);
    const ask = async (): Promise<void> => {
      isAsking.current = true;
      // Meanwhile the person may scroll on, and ask for others.
      for (let next = wanted.current; next !== undefined; next = wanted.current) {
        wanted.current = undefined;
        const from = Math.max(state.first, next.from);
        const asked = revision.current;
        const rows = await machine.timelineRows(from, next.to - from, asked).catch(() => []);
        // Of another list, in which others have these indices.
        if (asked !== revision.current) continue;
        if (cache.current.size > MAX_CACHED) cache.current.clear();
        for (const [i, row] of rows.entries()) cache.current.set(from + i, row);
        redraw((count) => count + 1);
      }
      isAsking.current = false;
    };
    if (!isAsking.current && wanted.current !== undefined) void ask();
  }, [machine, state, top, bottom]);
  return cache.current;
}

/** Indices from `from` to before `to`. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * What to fetch: what is seen and may have changed or is not there, and little more, since somebody who scrolls
 * fast sees other rows soon; then up to `margin` rows beyond it, if these will soon be missing.
 */
function missing(
  cache: ReadonlyMap<number, TimelineRow>,
  seen: Range,
  { first, end }: TimelineState,
  margin: number,
): Range | undefined {
  const isThere = (index: number): boolean => cache.has(index);
  const isSeen = (index: number): boolean => index >= seen.from && index < seen.to;
  const isKnown = (index: number): boolean => {
    const row = cache.get(index);
    return row !== undefined && (row.isSettled || !isSeen(index));
  };
  const lacking = (beyond: number, isGood: (index: number) => boolean): Range | undefined => {
    let from = Math.max(first, seen.from - beyond);
    let to = Math.min(end, seen.to + beyond);
    while (from < to && isGood(from)) from++;
    while (from < to && isGood(to - 1)) to--;
    return from < to ? { from, to } : undefined;
  };
  if (lacking(0, isThere) !== undefined) return lacking(2 * OVERDRAW, isKnown);
  return lacking(lacking(margin / 2, isThere) === undefined ? 0 : margin, isKnown);
}

/** Keys that go from request to request. */
function useStep(
  { machine, state, selectedIndex, onSelect }: TimelineListProps,
  list: { readonly current: HTMLDivElement | null },
) {
  const page = (): number =>
    Math.max(1, Math.floor((list.current?.clientHeight ?? 0) / ROW_PX) - 2);
  const targetOf = (key: string): number | undefined => {
    const { first, end } = state;
    const here = selectedIndex ?? end - 1;
    switch (key) {
      case "ArrowDown":
        return selectedIndex === undefined ? first : here + 1;
      case "ArrowUp":
        return selectedIndex === undefined ? end - 1 : here - 1;
      case "PageDown":
        return here + page();
      case "PageUp":
        return here - page();
      case "Home":
        return first;
      case "End":
        return end - 1;
      default:
        return undefined;
    }
  };
  const missed = useRef<string | undefined>(undefined);
  const step = (key: string): boolean => {
    const target = targetOf(key);
    if (target === undefined || state.end === state.first) return false;
    const index = Math.min(state.end - 1, Math.max(state.first, target));
    void machine.timelineRows(index, 1, state.revision).then(([row]) => {
      if (row !== undefined) onSelect(row.seq);
      else missed.current = key;
    });
    return true;
  };
  // A key that came when the list was another one already goes where it leads in that.
  useEffect(() => {
    const key = missed.current;
    missed.current = undefined;
    if (key !== undefined) step(key);
  }, [state.revision]);
  return (event: KeyboardEvent): void => {
    if (step(event.key)) event.preventDefault();
  };
}

/** The row at `place` from the top of the list; the head covers as much as a row. */
function bringIntoView(list: HTMLDivElement | null, place: number): void {
  if (list === null) return;
  const top = place * ROW_PX;
  if (top < list.scrollTop) list.scrollTop = top;
  const bottom = top + 2 * ROW_PX - list.clientHeight;
  if (bottom > list.scrollTop) list.scrollTop = bottom;
}
