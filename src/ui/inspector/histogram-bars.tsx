/** How often which duration came, as bars from short to long; as high as what it is in. */
import "./histogram-bars.css";
import type { JSX } from "preact";
import { formatBar } from "./time-format.ts";

/** @param bars counts by powers of two of a microsecond, as in `HistogramView` */
export function HistogramBars({ bars }: { bars: readonly number[] }): JSX.Element {
  const most = Math.max(1, ...bars);
  return (
    <div class="histogram-bars" aria-hidden="true">
      {bars.map((count, bar) => (
        <i
          key={bar}
          title={`${formatBar(bar)}: ${count}`}
          // A bar with anything in it can be seen.
          style={{ height: count === 0 ? "0" : `max(2px, ${(count / most) * 100}%)` }}
        />
      ))}
    </div>
  );
}
