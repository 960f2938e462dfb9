/** The phases of one request as a bar over a logarithmic axis of time since its start. */
import type { JSX } from "preact";
import type { TimelineRow } from "../../inspect/calls.ts";

/** The axis: from a tenth of a microsecond to 100 s, so that it never has to move. */
const DECADE_MIN = -1;
const DECADES = 9;

const TICKS = [
  { us: 10, label: "10 µs" },
  { us: 1000, label: "1 ms" },
  { us: 100_000, label: "100 ms" },
  { us: 10_000_000, label: "10 s" },
];

/** The phases, each from where the one before ended. */
const PHASES = [
  { name: "wait", until: "pop" },
  { name: "device", until: "push" },
  { name: "irq", until: "claim" },
  { name: "service", until: "complete" },
] as const;

/** In percent of the axis. */
function place(us: number): number {
  const decades = Math.log10(Math.max(us, 10 ** DECADE_MIN)) - DECADE_MIN;
  return Math.min(100, (decades / DECADES) * 100);
}

export function Waterfall({ row }: { row: TimelineRow }): JSX.Element {
  let from = 0;
  const bars = PHASES.flatMap(({ name, until }) => {
    const at = row.times[until];
    if (at === undefined) return [];
    const to = place(at - row.start);
    const bar = { name, left: from, width: Math.max(0, to - from) };
    from = Math.max(from, to);
    return [bar];
  });
  return (
    <span class="waterfall" aria-hidden="true">
      {bars.map(({ name, left, width }) => (
        <i key={name} data-phase={name} style={{ left: `${left}%`, width: `${width}%` }} />
      ))}
    </span>
  );
}

/** Where on the axis is what. */
export function WaterfallAxis(): JSX.Element {
  return (
    <span class="waterfall axis">
      {TICKS.map(({ us, label }) => (
        <small key={label} style={{ left: `${place(us)}%` }}>
          {label}
        </small>
      ))}
    </span>
  );
}
