/** All that there is to see of one virtio device. */
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import type {
  ConfigFieldView,
  DeviceView,
  FeatureView,
  Remote,
  StatusView,
} from "../../inspect/calls.ts";
import { formatBytes } from "../format.ts";
import { countText, hexByte } from "./address-text.ts";
import { Chart } from "./chart.tsx";
import { Badge, type Column, DataTable, Empty, Facts, Fault, Hex, Section } from "./kit.tsx";
import { LOOK_MS, useLook } from "./panel.ts";
import { LevelSeries, RateSeries } from "./rate-series.ts";

export interface DeviceDetailProps {
  readonly machine: Remote;
  readonly slot: number;
}

export function DeviceDetail({ machine, slot }: DeviceDetailProps): JSX.Element {
  const { value: device, error } = useLook(() => machine.device(slot), [slot]).value;
  if (device === undefined) return <Empty>{error ?? ""}</Empty>;
  return (
    <>
      <Section title={`${device.name}, ${device.title.toLowerCase()}`}>
        {device.faults.map(({ what, reason }) => (
          <Fault key={what} what={what} reason={reason} />
        ))}
        <Place device={device} />
      </Section>
      <Section title="Status" aside={<Hex value={device.status.value} digits={2} />}>
        <StatusMachine status={device.status} />
      </Section>
      <Traffic device={device} />
      {device.levels.length > 0 && <Levels device={device} />}
      <Features features={device.features} />
      <Configuration device={device} />
      <Queues device={device} />
      <Registers device={device} />
    </>
  );
}

function Place({ device }: { device: DeviceView }): JSX.Element {
  const { slot, base, spi, intid, type, chapter } = device;
  const facts = [
    { name: "Slot", value: slot },
    { name: "Registers", value: <Hex value={base} digits={8} /> },
    { name: "SPI, INTID", value: `${spi}, ${intid}` },
    { name: "Device ID", value: type },
    { name: "Virtio chapter", value: chapter ?? "none" },
  ];
  return <Facts facts={facts} />;
}

/** The way of a driver to a device that runs, what went wrong on it, and the steps that it took. */
function StatusMachine({ status }: { status: StatusView }): JSX.Element {
  const { stages, stage, needsReset, failed, history } = status;
  const reached = stages.indexOf(stage);
  return (
    <>
      <div class="status-machine">
        <ol aria-label="Stages">
          {stages.map((name, i) => (
            <li
              key={name}
              data-reached={i <= reached || undefined}
              aria-current={i === reached ? "step" : undefined}
            >
              {name}
            </li>
          ))}
        </ol>
        <ul aria-label="Faults">
          <li data-on={needsReset || undefined}>
            DEVICE_NEEDS_RESET<span class="kit-unseen">{needsReset ? " on" : " off"}</span>
          </li>
          <li data-on={failed || undefined}>
            FAILED<span class="kit-unseen">{failed ? " on" : " off"}</span>
          </li>
        </ul>
      </div>
      <p class="status-history">
        <span>History</span> {history.join(" → ")}
      </p>
    </>
  );
}

/** Looks that the courses of rates reach back: half a minute. */
const COURSE = 121;
/** Between two points of a level's course, of which a driver tells every 2 s at most: it reaches back 4 minutes. */
const LEVEL_MS = 2000;
const TICKS = [0, 40, 80, 120];

function Traffic({ device }: { device: DeviceView }): JSX.Element {
  const { atMs, bytes, chains, transport, counters } = device;
  const moved = useMemo(() => new RateSeries(COURSE), []);
  const served = useMemo(() => new RateSeries(COURSE), []);
  if (bytes !== undefined) moved.add({ atMs, count: bytes });
  served.add({ atMs, count: chains });
  const rare = [
    { name: "ignored kicks", value: transport.ignoredKicks },
    { name: "configuration interrupts", value: transport.configInterrupts },
    { name: "resets", value: transport.resets },
  ];
  const own = Object.entries(counters).map(([name, value]) => ({ name: spaced(name), value }));
  return (
    <Section title="Traffic">
      <div class="courses">
        {bytes !== undefined && (
          <Rate name="Bytes" series={moved} text={(rate) => `${formatBytes(rate)}/s`} />
        )}
        <Rate name="Requests" series={served} text={(rate) => `${countText(rate)}/s`} />
      </div>
      <Facts facts={[...own, ...rare]} />
    </Section>
  );
}

interface RateProps {
  readonly name: string;
  readonly series: RateSeries;
  readonly text: (rate: number) => string;
}

function Rate({ name, series, text }: RateProps): JSX.Element {
  const { course, latest = 0 } = series;
  return <Course name={name} course={course} now={latest} everyMs={LOOK_MS} text={text} />;
}

/** What a driver says of how much there is. */
function Levels({ device }: { device: DeviceView }): JSX.Element {
  return (
    <Section title="Levels">
      <div class="courses">
        {device.levels.map((name) => (
          <Level key={name} name={name} device={device} />
        ))}
      </div>
    </Section>
  );
}

function Level({ name, device }: { name: string; device: DeviceView }): JSX.Element {
  const { atMs, counters } = device;
  const series = useMemo(() => new LevelSeries(COURSE, LEVEL_MS), []);
  series.add({ atMs, count: counters[name] });
  const title = spaced(name.replace(/Bytes$/, ""));
  return (
    <Course
      name={title.charAt(0).toUpperCase() + title.slice(1)}
      course={series.course}
      now={counters[name]}
      everyMs={LEVEL_MS}
      text={formatBytes}
    />
  );
}

interface CourseProps {
  readonly name: string;
  /** `everyMs` apart. */
  readonly course: readonly (number | null)[];
  readonly everyMs: number;
  readonly now: number;
  readonly text: (value: number) => string;
}

function Course({ name, course, everyMs, now: value, text }: CourseProps): JSX.Element {
  const now = text(value);
  const agoText = (index: number): string =>
    index === COURSE - 1 ? "now" : `−${agoOf(((COURSE - 1 - index) * everyMs) / 1000)}`;
  return (
    <figure>
      <figcaption>
        <b>{name}</b> <span>{now}</span>
      </figcaption>
      <Chart
        kind="line"
        tone="--busy"
        label={`${name} in the last ${agoOf(((COURSE - 1) * everyMs) / 1000)}; now ${now}`}
        values={course}
        xTicks={TICKS}
        xText={agoText}
        yText={text}
        pointText={(index) => `${agoText(index)}: ${text(course[index] ?? 0)}`}
      />
    </figure>
  );
}

const agoOf = (seconds: number): string =>
  seconds < 60 ? `${Math.round(seconds)} s` : `${Number((seconds / 60).toFixed(1))} min`;

/** `bytesInFlight` as words. */
function spaced(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

const FEATURE_COLUMNS: readonly Column<FeatureView>[] = [
  { title: "Feature", cell: ({ name }) => <code>{name}</code> },
  { title: "Bit", cell: ({ bit }) => bit, align: "end" },
  { title: "Driver", cell: (feature) => <Choice feature={feature} />, digits: 12 },
  { title: "Virtio", cell: ({ section }) => section ?? "", align: "end" },
];

function Choice({ feature: { isOffered, isAccepted } }: { feature: FeatureView }): JSX.Element {
  if (isAccepted && !isOffered) return <Badge tone="bad">not offered</Badge>;
  return isAccepted ? <Badge tone="good">accepted</Badge> : <Badge>not taken</Badge>;
}

function Features({ features }: { features: readonly FeatureView[] }): JSX.Element {
  const shown = features.filter(({ isOffered, isAccepted }) => isOffered || isAccepted);
  const others = features.filter(({ isOffered, isAccepted }) => !isOffered && !isAccepted);
  const accepted = features.filter(({ isAccepted }) => isAccepted).length;
  return (
    <Section
      title="Features"
      aside={<span class="kit-aside">{`${accepted} of ${shown.length} accepted`}</span>}
    >
      <DataTable
        label="Features"
        columns={FEATURE_COLUMNS}
        rows={shown}
        keyOf={({ bit }) => bit}
        toneOf={({ isOffered }) => (isOffered ? undefined : "bad")}
      />
      {others.length > 0 && (
        <p class="not-offered">{`Not offered: ${others.map(({ name }) => name).join(", ")}.`}</p>
      )}
    </Section>
  );
}

const CONFIG_COLUMNS: readonly Column<ConfigFieldView>[] = [
  { title: "Field", cell: ({ name }) => <code>{name}</code> },
  { title: "Offset", cell: ({ offset }) => <Hex value={offset} digits={2} />, align: "end" },
  { title: "Value", cell: ({ value, bytes }) => value?.toString() ?? textOf(bytes), align: "end" },
  { title: "Hex", cell: ({ value, bytes }) => <HexOf value={value} bytes={bytes} />, align: "end" },
];

/** Texts end at a zero; what is none shows no text. */
function textOf(bytes: readonly number[]): string {
  const end = bytes.indexOf(0);
  const text = String.fromCharCode(...bytes.slice(0, end < 0 ? bytes.length : end));
  return /^[ -~]+$/.test(text) ? `“${text}”` : "";
}

/** Bytes of a text that are shown in hex. */
const HEX_BYTES = 8;

function HexOf({ value, bytes }: Pick<ConfigFieldView, "value" | "bytes">): JSX.Element {
  if (value !== undefined) return <Hex value={value} digits={2 * bytes.length} />;
  const shown = bytes.slice(0, HEX_BYTES).map(hexByte);
  return <code>{shown.join(" ") + (bytes.length > HEX_BYTES ? " …" : "")}</code>;
}

function Configuration({ device }: { device: DeviceView }): JSX.Element {
  const { config, configBytes } = device;
  return (
    <Section title="Configuration" aside={<span class="kit-aside">{`${configBytes} bytes`}</span>}>
      {config.length === 0 ? (
        <Empty>This device has no configuration fields.</Empty>
      ) : (
        <DataTable
          label="Configuration"
          columns={CONFIG_COLUMNS}
          rows={config}
          keyOf={({ offset }) => offset}
        />
      )}
    </Section>
  );
}

type QueueView = DeviceView["queues"][number];

const QUEUE_COLUMNS: readonly Column<QueueView>[] = [
  { title: "Queue", cell: ({ index }) => index, align: "end" },
  { title: "Layout", cell: ({ layout }) => layout ?? "not ready", digits: 9 },
  { title: "Size", cell: ({ addresses }) => addresses?.size ?? "", align: "end", digits: 5 },
  { title: "Kicks", cell: ({ kicks }) => kicks, align: "end", digits: 9 },
  { title: "Taken", cell: ({ chains }) => chains, align: "end", digits: 9 },
  { title: "In flight", cell: ({ inFlight }) => inFlight, align: "end" },
  { title: "Completed", cell: ({ completed }) => completed, align: "end", digits: 9 },
  { title: "Interrupts", cell: ({ notified }) => notified, align: "end", digits: 9 },
  { title: "Suppressed", cell: ({ suppressed }) => suppressed, align: "end", digits: 9 },
  { title: "Malformed", cell: ({ malformed }) => malformed, align: "end" },
];

function Queues({ device }: { device: DeviceView }): JSX.Element {
  return (
    <Section title="Queues">
      {device.queues.length === 0 ? (
        <Empty>This device has no queues.</Empty>
      ) : (
        <DataTable
          label="Queues"
          columns={QUEUE_COLUMNS}
          rows={device.queues}
          keyOf={({ index }) => index}
          toneOf={({ malformed }) => (malformed > 0 ? "warn" : undefined)}
        />
      )}
    </Section>
  );
}

type RegisterRow = DeviceView["registers"][number];

const REGISTER_COLUMNS: readonly Column<RegisterRow>[] = [
  { title: "Register", cell: ({ name }) => <code>{name}</code> },
  { title: "Offset", cell: ({ offset }) => <Hex value={offset} digits={3} />, align: "end" },
  { title: "Access", cell: ({ access }) => access },
  {
    title: "Value",
    cell: ({ value }) => (value === undefined ? "–" : <Hex value={value} digits={8} />),
    align: "end",
    digits: 10,
  },
  { title: "Meaning", cell: ({ meaning }) => <span class="meaning">{meaning}</span> },
];

function Registers({ device }: { device: DeviceView }): JSX.Element {
  return (
    <Section title="Registers" aside={<span class="kit-aside">virtio 4.2.2</span>}>
      <DataTable
        label="Registers"
        columns={REGISTER_COLUMNS}
        rows={device.registers}
        keyOf={({ offset }) => offset}
      />
    </Section>
  );
}
