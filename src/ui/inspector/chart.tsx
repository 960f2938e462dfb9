/** A chart. What draws it is loaded when the first one is shown. */
import "./chart.css";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useMedia } from "../media.ts";
import type { Plot, PlotStyle } from "./plot.ts";

export interface ChartProps extends PlotStyle {
  /** What is drawn and how much it is now: all that screen readers have of it. */
  readonly label: string;
  /** Null where there is none yet. */
  readonly values: readonly (number | null)[];
  /** Says what one of them is, while the pointer is there. */
  readonly pointText: (index: number) => string;
}

export function Chart({ label, values, pointText, ...style }: ChartProps): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  const [plot, setPlot] = useState<Plot | undefined>(undefined);
  const [point, setPoint] = useState<number | undefined>(undefined);
  const isLight = useMedia("(prefers-color-scheme: light)");
  useEffect(() => {
    const place = element.current;
    let isOver = false;
    let made: Plot | undefined;
    // A chart that cannot be loaded leaves its place empty; the numbers beside it are there.
    import("./plot.ts").then(
      ({ createPlot }) => {
        if (isOver || place === null) return;
        made = createPlot(place, style, setPoint);
        setPlot(made);
      },
      () => {},
    );
    return () => {
      isOver = true;
      made?.destroy();
    };
  }, [style.kind, style.tone]);
  useEffect(() => plot?.show(values), [plot, values]);
  useEffect(() => plot?.redraw(), [plot, isLight]);
  useEffect(() => {
    const place = element.current;
    if (plot === undefined || place === null) return;
    const observer = new ResizeObserver(() => plot.resize(place.clientWidth, place.clientHeight));
    observer.observe(place);
    return () => observer.disconnect();
  }, [plot]);
  return (
    <div class="chart">
      <div ref={element} class="chart-plot" role="img" aria-label={label} />
      <p class="chart-point" aria-hidden="true">
        {point !== undefined && values[point] != null && pointText(point)}
      </p>
    </div>
  );
}
