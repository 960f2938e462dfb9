/**
 * Bytes in rows, of which only those in sight are asked for: it scrolls through all of RAM. Keys
 * go from byte to byte, and hex digits change the one at the cursor.
 */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { AddressKind, Mark, MemoryMap, MemoryRun, Remote } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import { useHexEditor } from "./hex-editor.ts";
import { HexLine } from "./hex-line.tsx";
import {
  byteAtColumn,
  bytesOfRow,
  clampTop,
  cursorAfter,
  extentAround,
  topAround,
} from "./hex-rows.ts";
import { Scrollbar } from "./hex-scrollbar.tsx";
import { useLook } from "./panel.ts";
import { useRowBytes } from "./row-bytes.ts";

const ROWS = 24;
/** As high as the style sheet makes a line. */
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
  const digits = extent.end > 1n << 40n ? 16 : 10;
  const { place, rowBytes } = useRowBytes<HTMLElement>(digits);
  const grid = { rows: ROWS, rowBytes };
  const top = useSignal(clampTop(start, extent, grid));
  const cursor = useSignal(start);
  const editor = useHexEditor({ machine, kind, cursor, extent });
  const first = clampTop(top.value, extent, grid);
  const { value: runs = [] } = useLook(
    () => machine.memoryBytes(kind, first, ROWS * rowBytes),
    [machine, kind, first, rowBytes, editor.changes],
  ).value;
  const scroll = (rows: number): void => {
    top.value = clampTop(first + BigInt(Math.trunc(rows) * rowBytes), extent, grid);
  };
  const moveTo = (at: bigint): void => {
    editor.moveTo(at);
    top.value = topAround(at, first, extent, grid);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = cursorAfter(event.key, cursor.value, extent, grid);
    if (next !== undefined) moveTo(next);
    else if (editor.onKey(event)) moveTo(cursor.value);
    else return;
    event.preventDefault();
  };
  const rows = Array.from({ length: ROWS }, (_, k) => first + BigInt(k * rowBytes));
  return (
    <div class="hex">
      <section
        class="hex-rows"
        ref={place}
        aria-label="Hex view"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard.
        tabIndex={0}
        aria-describedby="hex-status"
        onWheel={useWheel(scroll)}
        onKeyDown={onKeyDown}
        onClick={(event) => {
          const at = byteUnder(event, first, rowBytes);
          if (at !== undefined) editor.moveTo(at);
        }}
        {...useDrag((pixels) => scroll(pixels / ROW_PX))}
      >
        {rows.map((row) =>
          row >= extent.end ? (
            <div key={row} class="hex-line" />
          ) : (
            <HexLine
              key={row}
              address={row.toString(16).padStart(digits, "0")}
              bytes={bytesOfRow(runs, row, rowBytes)}
              rowBytes={rowBytes}
              marked={isMarked ? placeOf(start, row) : undefined}
              cursor={{ at: Number(cursor.value - row), typed: editor.typed }}
              part={markOf(map.marks, runs, row, rowBytes)}
            />
          ),
        )}
      </section>
      <Scrollbar
        extent={extent}
        top={first}
        grid={grid}
        onMove={(to) => (top.value = clampTop(to, extent, grid))}
      />
      <Where runs={runs} marks={map.marks} at={first} kind={kind} />
      <div class="hex-edit">
        <p id="hex-status" role="status">
          {editor.message}
        </p>
        <button type="button" disabled={!editor.canUndo} onClick={editor.undo}>
          Undo
        </button>
      </div>
    </div>
  );
}

const placeOf = (at: bigint, row: bigint) => {
  const start = Number(at - row);
  return { start, end: start + 1 };
};

/** The byte whose digits were clicked. */
function byteUnder(
  { target, clientX }: MouseEvent,
  first: bigint,
  rowBytes: number,
): bigint | undefined {
  const bytes = target instanceof Element ? target.closest(".hex-bytes") : null;
  const line = bytes?.parentElement;
  if (!bytes || !line?.parentElement) return undefined;
  const { left, width } = bytes.getBoundingClientRect();
  const row = Array.prototype.indexOf.call(line.parentElement.children, line);
  return first + BigInt(row * rowBytes + byteAtColumn((clientX - left) / width, rowBytes));
}

/** A wheel turns by pixels or by lines; parts of a row add up. */
function useWheel(scroll: (rows: number) => void) {
  const rest = useRef(0);
  return (event: WheelEvent): void => {
    event.preventDefault();
    rest.current += event.deltaMode === 0 ? event.deltaY / ROW_PX : event.deltaY;
    const whole = Math.trunc(rest.current);
    rest.current -= whole;
    if (whole !== 0) scroll(whole);
  };
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

function physicalOf(runs: readonly MemoryRun[], at: bigint): number | undefined {
  const run = runs.find(({ address, length }) => at >= address && at < address + BigInt(length));
  return run?.physical === undefined ? undefined : run.physical + Number(at - run.address);
}

/** The smallest mark that has a byte of the row. */
function markOf(
  marks: readonly Mark[],
  runs: readonly MemoryRun[],
  row: bigint,
  rowBytes: number,
): Mark | undefined {
  const physical = physicalOf(runs, row);
  if (physical === undefined) return undefined;
  return marks
    .filter(({ base, size }) => physical + rowBytes > base && physical < base + size)
    .sort((a, b) => a.size - b.size)[0];
}

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
