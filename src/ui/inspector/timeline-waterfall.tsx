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

/** One element with stripes: an element for each phase would be most of what a row takes to be laid out. */
export function Waterfall({ row }: { row: TimelineRow }): JSX.Element {
  const stripes: string[] = [];
  for (const { name, until } of PHASES) {
    const at = row.times[until];
    if (at === undefined) continue;
    // A stripe begins where the one before ends, and what took no time has a pixel.
    const pixels = stripes.length + 1;
    stripes.push(`var(--${name}) 0 calc(${place(at - row.start).toFixed(1)}% + ${pixels}px)`);
  }
  const bar = `linear-gradient(to right, ${stripes.join(", ")}, transparent 0)`;
  return (
    <span
      class="waterfall"
      aria-hidden="true"
      style={{ backgroundImage: stripes.length === 0 ? "none" : bar }}
    />
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
