/** How long the phases of the requests shown took: a histogram each, with percentiles. */
import type { JSX } from "preact";
import type { HistogramView, Remote, TimelineLatencies } from "../../inspect/calls.ts";
import { countText } from "./address-text.ts";
import { Chart } from "./chart.tsx";
import { useLook } from "./panel.ts";
import { formatBar, formatDuration } from "./time-format.ts";

/** Between two counts, in ms: each reads all that the filter lets through. */
const COUNT_MS = 2000;

type Phase = keyof TimelineLatencies["phases"];

/** The colours are those of the bars in the list. */
const PHASES: readonly { readonly phase: Phase; readonly title: string; readonly tone: string }[] =
  [
    { phase: "wait", title: "kick → pop", tone: "--wait" },
    { phase: "device", title: "pop → push", tone: "--device" },
    { phase: "irq", title: "push → claim", tone: "--irq" },
    { phase: "total", title: "kick → claim", tone: "--service" },
  ];

export function Latencies({ machine, filter }: { machine: Remote; filter: string }): JSX.Element {
  const { value } = useLook(() => machine.timelineLatencies(), [machine, filter], COUNT_MS).value;
  return (
    <section class="timeline-latencies" aria-label="Latencies">
      {PHASES.map(({ phase, title, tone }) => (
        <Phase key={phase} title={title} tone={tone} histogram={value?.phases[phase] ?? NONE} />
      ))}
    </section>
  );
}

/** Bars whose end is written below them, which is a little more for the last two. */
const TICKS = new Map([
  [0, "1 µs"],
  [10, "1 ms"],
  [20, "1 s"],
]);

const NONE: HistogramView = { count: 0, bars: [], p50: 0, p95: 0, p99: 0, max: 0 };

interface PhaseProps {
  readonly title: string;
  readonly tone: string;
  readonly histogram: HistogramView;
}

function Phase({ title, tone, histogram }: PhaseProps): JSX.Element {
  const { count, bars, p50, p95 } = histogram;
  const label = `${title}: ${count} requests, half within ${formatDuration(p50)}, 95% within ${formatDuration(p95)}`;
  return (
    <figure>
      <figcaption>
        <b>{title}</b> {countText(count)}
      </figcaption>
      <Chart
        kind="bars"
        tone={tone}
        label={label}
        values={bars}
        xTicks={[...TICKS.keys()]}
        xText={(bar) => TICKS.get(bar) ?? ""}
        yText={countText}
        pointText={(bar) => `${formatBar(bar)}: ${countText(bars[bar])}`}
      />
      <dl>
        {(["p50", "p95", "p99", "max"] as const).map((name) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{count > 0 ? formatDuration(histogram[name]) : "–"}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}
