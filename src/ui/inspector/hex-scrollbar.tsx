/** The scroll bar of the hex view. */
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { atPart, type Extent, type Grid, partOf } from "./hex-rows.ts";

export interface ScrollbarProps {
  readonly extent: Extent;
  readonly top: bigint;
  /** Rows in sight. */
  readonly grid: Grid;
  readonly onMove: (to: bigint) => void;
}

/** RAM has more rows than an element may be pixels high: the bar stands for all of them. */
export function Scrollbar({ extent, top, grid, onMove }: ScrollbarProps): JSX.Element {
  const isHeld = useRef(false);
  const part = partOf(top, extent, grid);
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
      <div style={{ "--part": part }} />
    </div>
  );
}
