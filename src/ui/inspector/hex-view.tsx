/** Bytes in rows of sixteen, of which only those in sight are asked for; it scrolls through all of RAM. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { AddressKind, Mark, MemoryMap, MemoryRun, Remote } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import {
  asciiOf,
  atPart,
  clampTop,
  type Extent,
  extentAround,
  partOf,
  ROW_BYTES,
  rowBytes,
} from "./hex-rows.ts";
import { useLook } from "./panel.ts";

const ROWS = 24;
const PAGE_ROWS = ROWS - 2;
const ROW_PX = 20;

export interface HexViewProps {
  readonly machine: Remote;
  readonly map: MemoryMap;
  readonly kind: AddressKind;
  /** The address that somebody went to. */
  readonly start: bigint;
  readonly isMarked: boolean;
}

export function HexView({ machine, map, kind, start, isMarked }: HexViewProps): JSX.Element {
  const extent = extentAround(kind === "physical" ? map.areas : undefined, start);
  const top = useSignal(clampTop(start, extent, ROWS));
  const first = top.value;
  const { value: runs = [] } = useLook(
    () => machine.memoryBytes(kind, first, ROWS * ROW_BYTES),
    [machine, kind, first],
  ).value;
  const move = (rows: number): void => {
    top.value = clampTop(top.value + BigInt(Math.trunc(rows) * ROW_BYTES), extent, ROWS);
  };
  const rest = useRef(0);
  const onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    rest.current += event.deltaMode === 0 ? event.deltaY / ROW_PX : event.deltaY;
    const whole = Math.trunc(rest.current);
    rest.current -= whole;
    if (whole !== 0) move(whole);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const rows = { ArrowUp: -1, ArrowDown: 1, PageUp: -PAGE_ROWS, PageDown: PAGE_ROWS }[event.key];
    if (rows !== undefined) move(rows);
    else if (event.key === "Home") top.value = clampTop(extent.first, extent, ROWS);
    else if (event.key === "End") top.value = clampTop(extent.end, extent, ROWS);
    else return;
    event.preventDefault();
  };
  const rows = Array.from({ length: ROWS }, (_, k) => first + BigInt(k * ROW_BYTES));
  return (
    <div class="hex">
      <section
        class="hex-rows"
        aria-label="Hex view"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard.
        tabIndex={0}
        onWheel={onWheel}
        onKeyDown={onKeyDown}
        {...useDrag((pixels) => move(pixels / ROW_PX))}
      >
        {rows.map((row) => (
          <Row
            key={row}
            row={row}
            isAfterEnd={row >= extent.end}
            runs={runs}
            marks={map.marks}
            goal={isMarked ? start : undefined}
          />
        ))}
      </section>
      <Scrollbar
        extent={extent}
        top={first}
        onMove={(to) => (top.value = clampTop(to, extent, ROWS))}
      />
      <Where runs={runs} marks={map.marks} at={first} kind={kind} />
    </div>
  );
}

/** A finger that moves over the rows, in pixels to scroll by. */
function useDrag(scroll: (pixels: number) => void) {
  const last = useRef<number | undefined>(undefined);
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.pointerType === "touch") last.current = event.clientY;
    },
    onPointerMove: ({ clientY }: PointerEvent) => {
      if (last.current === undefined) return;
      const pixels = last.current - clientY;
      if (Math.abs(pixels) < ROW_PX) return;
      scroll(pixels);
      last.current = clientY;
    },
    onPointerUp: () => {
      last.current = undefined;
    },
    onPointerCancel: () => {
      last.current = undefined;
    },
  };
}

interface RowProps {
  readonly row: bigint;
  readonly isAfterEnd: boolean;
  readonly runs: readonly MemoryRun[];
  readonly marks: readonly Mark[];
  readonly goal: bigint | undefined;
}

function Row({ row, isAfterEnd, runs, marks, goal }: RowProps): JSX.Element {
  if (isAfterEnd) return <div class="hex-row" />;
  const bytes = rowBytes(runs, row);
  const physical = physicalOf(runs, row);
  const mark = physical === undefined ? undefined : markAt(marks, physical);
  return (
    <div class="hex-row" data-mark={mark?.kind} title={mark?.name}>
      <span class="hex-address">{row.toString(16).padStart(16, "0")}</span>
      <span class="hex-bytes">
        {bytes.map((byte, k) => (
          <span
            key={row + BigInt(k)}
            data-goal={row + BigInt(k) === goal || undefined}
            data-zero={byte === 0 || undefined}
          >
            {byte === undefined ? "··" : byte.toString(16).padStart(2, "0")}
          </span>
        ))}
      </span>
      <span class="hex-text">{asciiOf(bytes)}</span>
    </div>
  );
}

function physicalOf(runs: readonly MemoryRun[], at: bigint): number | undefined {
  const run = runs.find(({ address, length }) => at >= address && at < address + BigInt(length));
  return run?.physical === undefined ? undefined : run.physical + Number(at - run.address);
}

/** The smallest mark that has a byte of the row. */
const markAt = (marks: readonly Mark[], row: number): Mark | undefined =>
  marks
    .filter(({ base, size }) => row + ROW_BYTES > base && row < base + size)
    .sort((a, b) => a.size - b.size)[0];

interface WhereProps {
  readonly runs: readonly MemoryRun[];
  readonly marks: readonly Mark[];
  readonly at: bigint;
  readonly kind: AddressKind;
}

/** What the rows in sight belong to. */
function Where({ runs, marks, at, kind }: WhereProps): JSX.Element {
  const physical = physicalOf(runs, at);
  const last = runs.at(-1);
  const end = last?.physical === undefined ? undefined : last.physical + last.length;
  const inSight =
    physical === undefined || end === undefined
      ? []
      : marks.filter(({ base, size }) => base < end && base + size > physical);
  const names = inSight.map(({ name }) => name).join(", ");
  const place = kind === "virtual" && physical !== undefined ? `physical ${hex(physical)}` : "";
  const missing = runs.length > 0 && physical === undefined ? "nothing is mapped here" : "";
  return <output class="hex-where">{[place, missing, names].filter(Boolean).join(" · ")}</output>;
}

interface ScrollbarProps {
  readonly extent: Extent;
  readonly top: bigint;
  readonly onMove: (to: bigint) => void;
}

/** RAM has more rows than an element may be pixels high: the bar stands for all of them. */
function Scrollbar({ extent, top, onMove }: ScrollbarProps): JSX.Element {
  const isHeld = useRef(false);
  const part = partOf(top, extent, ROWS);
  const follow = ({ clientY, currentTarget }: PointerEvent): void => {
    const { top: above, height } = (currentTarget as HTMLElement).getBoundingClientRect();
    onMove(atPart(Math.min(1, Math.max(0, (clientY - above) / height)), extent));
  };
  return (
    <div
      class="hex-scroll"
      role="presentation"
      onPointerDown={(event) => {
        isHeld.current = true;
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={(event) => {
        if (isHeld.current) follow(event);
      }}
      onPointerUp={() => {
        isHeld.current = false;
      }}
    >
      <div style={{ top: `${part * 94}%` }} />
    </div>
  );
}
