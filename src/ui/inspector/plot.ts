/** Draws charts with uPlot. Only `chart.tsx` loads this, when there is a chart to be drawn. */
import "uplot/dist/uPlot.min.css";
import UPlot, { type Axis, type Options, type Series } from "uplot";

export interface PlotStyle {
  /** A line with what is below it, or a bar for each value. */
  readonly kind: "line" | "bars";
  /** The token of its colour, such as `--busy`. */
  readonly tone: string;
  /** Where something is written at the axis, and what. */
  readonly xTicks: readonly number[];
  readonly xText: (x: number) => string;
  readonly yText: (y: number) => string;
}

export interface Plot {
  /** Values for 0, 1, 2 and so on; null where there is none yet. */
  show(values: readonly (number | null)[]): void;
  resize(width: number, height: number): void;
  /** The colours may have changed. */
  redraw(): void;
  destroy(): void;
}

const FONT = "11px system-ui, sans-serif";
/** Room for four digits and a unit. */
const Y_AXIS_PX = 64;
const X_AXIS_PX = 20;
/** Between numbers at the y axis, at least. */
const Y_SPACE_PX = 24;
/** Between numbers at the y axis: whole, so that none is written twice. */
const Y_STEPS = Array.from({ length: 16 }, (_, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();
/** Of a bar's place, for the bar. */
const BAR_WIDTH = 0.85;

/** @param onPoint is told of the value under the pointer, by its index */
export function createPlot(
  element: HTMLElement,
  { kind, tone, xTicks, xText, yText }: PlotStyle,
  onPoint: (index: number | undefined) => void,
): Plot {
  const colour = (token: string): string =>
    getComputedStyle(element).getPropertyValue(token).trim();
  const axis = (size: number, text: (value: number) => string): Axis => ({
    size,
    font: FONT,
    gap: 4,
    stroke: () => colour("--quiet"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    values: (_plot, splits) => splits.map(text),
  });
  const series: Series = {
    stroke: () => colour(tone),
    fill: () => `color-mix(in srgb, ${colour(tone)} ${kind === "bars" ? 80 : 18}%, transparent)`,
    width: kind === "bars" ? 0 : 1.5,
    points: { show: false },
  };
  if (kind === "bars") {
    series.paths = UPlot.paths.bars!({ size: [BAR_WIDTH], gap: 1 });
  }
  const options: Options = {
    width: Math.max(1, element.clientWidth),
    height: element.clientHeight,
    padding: [6, 16, 0, 0],
    legend: { show: false },
    cursor: { x: kind === "line", y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: {
        time: false,
        range: (_plot, min, max) =>
          kind === "bars" ? [(min ?? 0) - 0.5, (max ?? 0) + 0.5] : [min ?? 0, max ?? 1],
      },
      y: { range: (_plot, _min, max) => [0, Math.max(1, (max ?? 0) * 1.05)] },
    },
    axes: [
      { ...axis(X_AXIS_PX, xText), splits: [...xTicks] },
      { ...axis(Y_AXIS_PX, yText), space: Y_SPACE_PX, incrs: Y_STEPS },
    ],
    series: [{}, series],
    hooks: {
      setCursor: [
        ({ cursor: { idx, left = -1 } }) => onPoint(left < 0 ? undefined : (idx ?? undefined)),
      ],
    },
  };
  const plot = new UPlot(options, [[], []], element);
  return {
    show: (values) => plot.setData([values.map((_, index) => index), [...values]]),
    resize: (width, height) => plot.setSize({ width: Math.max(1, width), height }),
    redraw: () => plot.redraw(),
    destroy: () => plot.destroy(),
  };
}
