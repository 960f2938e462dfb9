/** How long the phases of the requests shown took: a histogram each, with percentiles. */
import type { JSX } from "preact";
import type { HistogramView, Remote, TimelineLatencies } from "../../inspect/calls.ts";
import { HistogramBars } from "./histogram-bars.tsx";
import { useLook } from "./panel.ts";
import { formatDuration } from "./time-format.ts";

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
  return (
    <figure>
      <figcaption>
        <b>{title}</b> {histogram?.count ?? 0}
      </figcaption>
      <div class="bars" data-phase={phase}>
        <HistogramBars bars={histogram?.bars ?? []} />
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
