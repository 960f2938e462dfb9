/** The list of requests. Only the rows that can be seen exist, and only they are fetched. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { IndexedRow, Remote, TimelineRow, TimelineState } from "../../inspect/calls.ts";
import { formatDuration, formatMoment } from "./time-format.ts";
import { useCursor } from "./timeline-cursor.ts";
import { type Picture, type Range, useRows } from "./timeline-rows.ts";
import { Waterfall, WaterfallAxis } from "./timeline-waterfall.tsx";

/** Height of a row, and of the head above them, in CSS pixels. */
const ROW_PX = 24;

/**
 * Rows fetched beyond what is seen, above and below: half a second of fast scrolling. None while the newest
 * are followed, where other rows are seen at each look.
 */
const MARGIN = 160;

/** Rows drawn beyond what is seen: where somebody scrolls to, and where they come from. */
const AHEAD = 6;
const BEHIND = 2;

/** Who has not scrolled for so long, in ms, does not scroll. */
const SCROLL_MS = 150;

export interface TimelineListProps {
  readonly machine: Remote;
  readonly state: TimelineState;
  readonly list: { current: HTMLDivElement | null };
  readonly selected: number | undefined;
  /** Of the selected request among the matches, once that is known. */
  readonly selectedIndex: number | undefined;
  readonly onSelect: (seq: number, how: "click" | "key") => void;
  readonly onClose: () => void;
}

export function TimelineList(props: TimelineListProps): JSX.Element {
  const { machine, state, list, selected } = props;
  const { first, end } = state;
  const view = useWindow(list, state, selected === undefined);
  const { height } = view;
  const { picture, known } = useRows({
    machine,
    state,
    seen: view.seen,
    drawn: view.drawn,
    margin: view.isFollowing ? 0 : MARGIN,
  });
  const pageRows = Math.max(1, Math.floor(height / ROW_PX) - 2);
  const cursor = useCursor({ ...props, known, pageRows });
  // What is selected stays in sight, also when its details take some of the list's room.
  useLayoutEffect(() => {
    if (cursor.index !== undefined) bringIntoView(list.current, cursor.index - first);
  }, [selected, cursor.index === undefined, height]);
  // Only what is drawn anew needs other rows, and most of scrolling is not that.
  const { slots, isMoving, isFollowing } = view;
  const lens = useMemo(
    () => (
      <Lens
        picture={picture}
        placed={inPlaces(picture, isFollowing ? undefined : slots, isMoving)}
        first={first}
        end={end}
        height={height}
        selected={selected}
      />
    ),
    [picture, slots, isMoving, isFollowing, first, end, height, selected],
  );
  const onClick = ({ target }: MouseEvent): void => {
    const option = target instanceof Element ? target.closest("[role=option]") : null;
    if (option === null) return;
    const index = Number(option.id.slice(ROW_ID.length));
    const row = picture.rows[index - picture.from];
    if (row !== undefined) cursor.select(row.seq, index);
  };
  return (
    <div
      class="timeline-list"
      ref={list}
      role="listbox"
      tabIndex={0}
      aria-label="Requests"
      aria-activedescendant={cursor.index === undefined ? undefined : rowId(cursor.index)}
      style={{ "--row": `${ROW_PX}px` }}
      onScroll={view.onScroll}
      onKeyDown={cursor.onKeyDown}
      onClick={onClick}
    >
      <Head />
      <div class="timeline-space" style={{ height: `${(end - first) * ROW_PX}px` }}>
        {lens}
      </div>
    </div>
  );
}

interface Placed {
  readonly index: number;
  readonly row: IndexedRow | undefined;
  readonly element: number;
}

/**
 * The rows of a picture in the order of their elements. Where there are `slots`, a row that has gone out of sight is
 * used for one that comes in: to make its elements costs most. To move a row within its parent costs as much, so
 * they are in the order of their indices only while nobody scrolls. Where the newest are followed each has its own,
 * as one that is used again is to the browser something that has moved by itself.
 */
function inPlaces(
  { from, rows }: Picture,
  slots: number | undefined,
  isMoving: boolean,
): readonly Placed[] {
  const placed = rows.map((row, i) => {
    const index = from + i;
    return { index, row, element: slots === undefined ? index : index % slots };
  });
  return isMoving ? placed.sort((a, b) => a.element - b.element) : placed;
}

interface LensProps {
  readonly picture: Picture;
  readonly placed: readonly Placed[];
  readonly first: number;
  readonly end: number;
  readonly height: number;
  readonly selected: number | undefined;
}

/**
 * The rows that are drawn, where they belong in the list. The browser scrolls before the page can draw: as far
 * as the rows reach they go along, and beyond that they stick to the edge, so that the list is never empty.
 */
function Lens({ picture, placed, first, end, height, selected }: LensProps): JSX.Element {
  const count = Math.min(picture.to - picture.from, end - first);
  const before = Math.min(Math.max(0, picture.from - first), end - first - count) * ROW_PX;
  const lens = count * ROW_PX;
  const edges = {
    top: `${Math.min(ROW_PX, height - lens)}px`,
    bottom: `${Math.min(0, height - ROW_PX - lens)}px`,
  };
  return (
    <>
      {/* Not a margin, which would go along with what sticks. */}
      <div style={{ height: `${before}px` }} />
      <div class="timeline-lens" style={{ height: `${lens}px`, ...edges }}>
        <div style={{ transform: `translateY(${(first - picture.from) * ROW_PX}px)` }}>
          {placed.map(({ index, row, element }) => (
            <Row
              key={element}
              index={index}
              place={index - first}
              count={end - first}
              row={row}
              isSelected={row !== undefined && row.seq === selected}
            />
          ))}
        </div>
      </div>
    </>
  );
}

const ROW_ID = "timeline-row-";
const rowId = (index: number): string => `${ROW_ID}${index}`;

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
  /** In the whole list, from its top. */
  readonly place: number;
  readonly count: number;
  readonly row: TimelineRow | undefined;
  readonly isSelected: boolean;
}

function Row({ index, place, count, row, isSelected }: RowProps): JSX.Element {
  // Most rows that are drawn while somebody scrolls are the same as in the picture before.
  const cells = useMemo(() => row !== undefined && <Cells row={row} />, [row]);
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: A row that had it would lose it out of sight.
    <div
      id={rowId(index)}
      class="timeline-row"
      role="option"
      aria-posinset={place + 1}
      aria-setsize={count}
      aria-selected={isSelected}
      data-outcome={row?.outcome}
      data-gap={row?.isAfterGap || undefined}
      style={{ transform: `translateY(${place * ROW_PX}px)` }}
    >
      {cells}
    </div>
  );
}

function Cells({ row }: { row: TimelineRow }): JSX.Element {
  return (
    <>
      <span>{row.seq}</span>
      <span>{formatMoment(row.at)}</span>
      <span>{row.device}</span>
      <span>{row.queue}</span>
      <span title={row.summary}>
        <b>{row.op}</b>
        {` ${row.summary}`}
        {row.outcome !== "done" && <em>{` · ${row.outcome}`}</em>}
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
function useWindow(
  list: TimelineListProps["list"],
  { first, end }: TimelineState,
  follows: boolean,
) {
  /** Rows that have been scrolled away. */
  const [above, setAbove] = useState(0);
  const [height, setHeight] = useState(0);
  const isAtEnd = useRef(true);
  const isUpward = useRef(false);
  const scrolledAt = useRef(Number.NEGATIVE_INFINITY);
  const lastTop = useRef(0);
  const lastFirst = useRef(first);
  const moved = (): void => {
    lastTop.current = list.current!.scrollTop;
    setAbove(Math.floor(lastTop.current / ROW_PX));
  };
  const onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = list.current!;
    isAtEnd.current = scrollTop + clientHeight >= scrollHeight - ROW_PX;
    // Where the list went by itself nobody scrolls.
    if (scrollTop !== lastTop.current) {
      isUpward.current = scrollTop < lastTop.current;
      scrolledAt.current = performance.now();
    }
    moved();
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
    moved();
  }, [first, end, height]);
  const rows = Math.ceil(height / ROW_PX);
  const slots = rows + AHEAD + BEHIND;
  const top = first + above;
  const seen: Range = { from: Math.min(top, end), to: Math.min(end, top + rows) };
  // As many everywhere, so that no element has to be made for scrolling.
  const from = Math.max(first, Math.min(top - (isUpward.current ? AHEAD : BEHIND), end - slots));
  return {
    seen,
    drawn: { from, to: Math.min(end, from + slots) } satisfies Range,
    slots,
    height,
    isFollowing,
    isMoving: performance.now() - scrolledAt.current < SCROLL_MS,
    onScroll,
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
