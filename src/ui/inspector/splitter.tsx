/** The line between the terminal and the inspector, which can be moved. */
import { type Signal, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";

/** The terminal's part of the room for both, in percent. */
export const split: Signal<number> = signal(50);

/** Below and above there would be nothing to read on one side. */
const LEAST = 20;
const MOST = 80;
const USUAL = 50;
/** One press of an arrow key. */
const STEP = 4;

/** In the browser's storage, where it has one for this page. */
const STORED = "tabvisor.split";

export function restoreSplit(): void {
  try {
    const stored = Number(localStorage.getItem(STORED) ?? USUAL);
    split.value = clamp(Number.isFinite(stored) ? stored : USUAL);
  } catch {
    split.value = USUAL;
  }
}

function move(percent: number): void {
  split.value = clamp(percent);
  try {
    localStorage.setItem(STORED, String(Math.round(split.value)));
  } catch {
    // Then it is remembered until the page is left.
  }
}

function clamp(percent: number): number {
  return Math.min(Math.max(percent, LEAST), MOST);
}

export interface SplitterProps {
  /** Whether the inspector is below the terminal and not beside it. */
  readonly isBelow: boolean;
}

/** A window splitter of the WAI-ARIA practices, whose primary pane is the terminal. */
export function Splitter({ isBelow }: SplitterProps): JSX.Element {
  const line = useRef<HTMLHRElement>(null);
  const drag = (event: PointerEvent): void => {
    if (!line.current?.hasPointerCapture(event.pointerId)) return;
    const room = line.current.parentElement!.getBoundingClientRect();
    const part = isBelow
      ? (event.clientY - room.top) / room.height
      : (event.clientX - room.left) / room.width;
    move(100 * part);
  };
  const press = (event: KeyboardEvent): void => {
    const to = moved(event.key, split.value);
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };
  return (
    <hr
      ref={line}
      class="splitter"
      tabIndex={0}
      aria-label="Terminal"
      aria-orientation={isBelow ? "horizontal" : "vertical"}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      aria-valuenow={Math.round(split.value)}
      aria-valuetext={`${Math.round(split.value)}% of the page`}
      onKeyDown={press}
      onDblClick={() => move(USUAL)}
      onPointerDown={(event) => line.current!.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
    />
  );
}

function moved(key: string, percent: number): number | undefined {
  switch (key) {
    case "ArrowLeft":
    case "ArrowUp":
      return percent - STEP;
    case "ArrowRight":
    case "ArrowDown":
      return percent + STEP;
    case "Home":
      return LEAST;
    case "End":
      return MOST;
    default:
      return undefined;
  }
}
