/** How long the phases of the requests shown took: a histogram each, with percentiles. */
import type { JSX } from "preact";
import type { HistogramView, Remote, TimelineLatencies } from "../../inspect/calls.ts";
import { useLook } from "./panel.ts";
import { formatDuration } from "./timeline-format.ts";

/** Between two counts, in ms: each reads all that the filter lets through. */
const COUNT_MS = 2000;

const TITLES: Record<keyof TimelineLatencies["phases"], string> = {
  wait: "kick → pop",
  device: "pop → push",
  irq: "push → claim",
  total: "kick → claim",
};

export function Latencies({ machine, filter }: { machine: Remote; filter: string }): JSX.Element {
  const { value } = useLook(() => machine.timelineLatencies(), [machine, filter], COUNT_MS).value;
  const names = Object.keys(TITLES) as (keyof typeof TITLES)[];
  return (
    <section class="timeline-latencies" aria-label="Latencies">
      {names.map((name) => (
        <Chart key={name} phase={name} title={TITLES[name]} histogram={value?.phases[name]} />
      ))}
    </section>
  );
}

interface ChartProps {
  readonly phase: string;
  readonly title: string;
  readonly histogram: HistogramView | undefined;
}

function Chart({ phase, title, histogram }: ChartProps): JSX.Element {
  const bars = histogram?.bars ?? [];
  const most = Math.max(1, ...bars);
  return (
    <figure>
      <figcaption>
        <b>{title}</b> {histogram?.count ?? 0}
      </figcaption>
      <div class="bars" data-phase={phase} aria-hidden="true">
        {bars.map((count, bar) => (
          <i
            key={bar}
            title={`${rangeOf(bar)}: ${count}`}
            // A bar with anything in it can be seen.
            style={{ height: count === 0 ? "0" : `max(2px, ${(count / most) * 100}%)` }}
          />
        ))}
      </div>
      <dl>
        {(["p50", "p95", "p99", "max"] as const).map((name) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{histogram?.count ? formatDuration(histogram[name]) : "–"}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

function rangeOf(bar: number): string {
  const from = bar === 0 ? 0 : 2 ** (bar - 1);
  return `${formatDuration(from)} to ${formatDuration(2 ** bar)}`;
}
