/** Interrupts: the sources of the distributor, its wires, and what the harts make of them. */
import "./interrupts-panel.css";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { HartWires, InterruptsView, SpiView } from "../../inspect/calls.ts";
import { HistogramBars } from "./histogram-bars.tsx";
import { Badge, type Column, DataTable, Empty, Facts, Fault, Flags, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { RateSeries } from "./rate-series.ts";
import { formatDuration } from "./time-format.ts";

/** Between two looks, in ms: long enough for rates that can be read. */
const LOOK_MS = 500;

/** A source with how often it came since the look before. */
interface Row extends SpiView {
  readonly pulsesPerSecond: number | undefined;
  readonly isStorm: boolean;
}

export function InterruptsPanel({ machine, go }: PanelProps): JSX.Element {
  const { value: seen, error } = useLook(() => machine.interrupts(), [], LOOK_MS).value;
  const rates = useMemo(() => new Map<string, RateSeries>(), []);
  if (seen === undefined) return <Empty>{error ?? "Looking…"}</Empty>;
  const rows = seen.spis.map((spi) => withRates(spi, seen, rates));
  const storms = rows.filter(({ isStorm }) => isStorm);
  const openDevice = (slot: number): void => go(String(slot), "devices");
  return (
    <>
      {storms.map(({ intid, source }) => (
        <Fault
          key={intid}
          what={`INTID ${intid} storms:`}
          reason={`${source?.name ?? "it"} interrupts more than ${seen.stormPerSecond} times a second.`}
        />
      ))}
      <Section
        title="Shared peripheral interrupts"
        aside={<Badge>{seen.controller.toUpperCase()}</Badge>}
      >
        {rows.length === 0 ? (
          <Empty>
            Nothing yet: a source appears here once the guest has set it up or its device has raised
            it.
          </Empty>
        ) : (
          <DataTable
            label="Shared peripheral interrupts"
            columns={columnsFor(seen, openDevice)}
            rows={rows}
            keyOf={({ intid }) => intid}
            toneOf={({ isStorm }) => (isStorm ? "bad" : undefined)}
          />
        )}
      </Section>
      <Section title="Wires to harts">
        <Facts
          facts={seen.targets.map(({ target, name, threshold, isHigh }) => ({
            name: `${target}: ${name}`,
            value: (
              <>
                {`threshold ${threshold} `}
                <Level isHigh={isHigh} />
              </>
            ),
          }))}
        />
      </Section>
      {seen.harts.map((hart) => (
        <Hart key={hart.hart} hart={hart} seen={seen} />
      ))}
    </>
  );
}

function withRates(spi: SpiView, seen: InterruptsView, rates: Map<string, RateSeries>): Row {
  const { atMs, stormPerSecond } = seen;
  const rate = (what: string, count: number): number | undefined => {
    const key = `${what} ${spi.intid}`;
    const series = rates.get(key) ?? new RateSeries(1);
    rates.set(key, series);
    series.add({ atMs, count });
    return series.latest;
  };
  const pulsesPerSecond = rate("pulses", spi.pulses);
  const most = Math.max(pulsesPerSecond ?? 0, rate("claims", spi.claims) ?? 0);
  return { ...spi, pulsesPerSecond, isStorm: most > stormPerSecond };
}

function columnsFor(seen: InterruptsView, openDevice: (slot: number) => void): Column<Row>[] {
  return [
    { title: "INTID", cell: ({ intid }) => intid, align: "end" },
    { title: "SPI", cell: ({ spi }) => spi, align: "end" },
    { title: "Device", cell: (row) => <Source row={row} open={openDevice} />, digits: 9 },
    {
      title: "Pulses/s",
      cell: ({ pulsesPerSecond }) => Math.round(pulsesPerSecond ?? 0),
      align: "end",
      digits: 7,
    },
    { title: "Pulses", cell: ({ pulses }) => pulses, align: "end", digits: 7 },
    { title: "Claims", cell: ({ claims }) => claims, align: "end", digits: 7 },
    { title: "Median", cell: ({ service }) => duration(service?.p50), align: "end", digits: 8 },
    { title: "Worst", cell: ({ service }) => duration(service?.max), align: "end", digits: 8 },
    { title: "State", cell: (row) => <State row={row} /> },
    {
      title: "Claim → complete",
      cell: ({ service }) =>
        service && (
          <div class="service-times">
            <HistogramBars bars={service.bars} />
          </div>
        ),
    },
    { title: "Trigger", cell: ({ trigger }) => trigger },
    { title: "Priority", cell: ({ priority }) => priority, align: "end" },
    { title: "Enabled for", cell: ({ enabledTargets }) => targetNames(seen, enabledTargets) },
  ];
}

function duration(us: number | undefined): string {
  return us === undefined ? "–" : formatDuration(us);
}

function Source({ row, open }: { row: Row; open: (slot: number) => void }): JSX.Element {
  const { source } = row;
  if (source === undefined) return <>none</>;
  const { name, slot } = source;
  if (slot === undefined) return <>{name}</>;
  return (
    <button type="button" class="kit-link" onClick={() => open(slot)}>
      {name}
    </button>
  );
}

function State({ row: { level, pending, active } }: { row: Row }): JSX.Element {
  return (
    <Flags
      label="State"
      flags={[
        { name: "high", isOn: level, tone: "busy" },
        { name: "pending", isOn: pending, tone: "warn" },
        { name: "active", isOn: active },
      ]}
    />
  );
}

function targetNames({ targets }: InterruptsView, enabled: readonly number[]): string {
  return enabled.map((target) => targets[target]?.name ?? target).join(", ") || "nobody";
}

function Level({ isHigh }: { isHigh: boolean }): JSX.Element {
  return <Badge tone={isHigh ? "busy" : "quiet"}>{isHigh ? "high" : "low"}</Badge>;
}

type Cause = HartWires["causes"][number];

const CAUSE_COLUMNS: readonly Column<Cause>[] = [
  { title: "Interrupt", cell: ({ name }) => <code>{name}</code> },
  { title: "Cause", cell: ({ cause }) => cause, align: "end" },
  { title: "From", cell: ({ what }) => what },
  {
    title: "State",
    cell: ({ isPending, isEnabled, isDelegated }) => (
      <Flags
        label="State"
        flags={[
          { name: "pending", isOn: isPending, tone: "warn", title: "mip" },
          { name: "enabled", isOn: isEnabled, title: "mie" },
          { name: "to S-mode", isOn: isDelegated, tone: "busy", title: "mideleg" },
        ]}
      />
    ),
  },
];

function Hart({ hart, seen }: { hart: HartWires; seen: InterruptsView }): JSX.Element {
  const timers = hart.timers.map(({ name, tick, inMs }) => ({
    name,
    value: tick === undefined ? "never" : `${tick} (${dueText(inMs!)})`,
  }));
  const clock = { name: "mtime", value: `${seen.ticks} (${seen.frequency / 1e6} MHz)` };
  return (
    <Section title={`Hart ${hart.hart}`}>
      <DataTable
        label={`Interrupts of hart ${hart.hart}`}
        columns={CAUSE_COLUMNS}
        rows={hart.causes}
        keyOf={({ cause }) => cause}
      />
      <Facts facts={[clock, ...timers]} />
    </Section>
  );
}

function dueText(inMs: number): string {
  return inMs > 0 ? `in ${inMs.toFixed(1)} ms` : "has been";
}
