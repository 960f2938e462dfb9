/** The queues of the devices: one as a ring with its chains, and a chain with all that is in it. */
import "./queues-panel.css";
import { type ReadonlySignal, type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type {
  ChainDetail as Chain,
  ChainRow,
  DeviceQueues,
  QueueView,
} from "../../inspect/calls.ts";
import { ChainDetail } from "./chain-detail.tsx";
import { useHeldLook } from "./held-look.ts";
import { Badge, type Column, DataTable, Empty, Facts, Fault, Hex, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { QueueRing } from "./queue-ring.tsx";
import { RingEntries } from "./ring-entries.tsx";

/** Which devices there are changes seldom, in ms. */
const DEVICES_MS = 1000;

/** As the address has it: `SLOT/QUEUE`. */
interface Choice {
  readonly slot: number;
  readonly queue: number;
}

export function QueuesPanel(props: PanelProps): JSX.Element {
  const { machine, place, go } = props;
  const { value: devices, error } = useLook(() => machine.queues(), [], DEVICES_MS).value;
  if (devices === undefined) return <Empty>{error ?? ""}</Empty>;
  const choice = choiceOf(place, devices);
  if (choice === undefined) {
    return <Empty>No device has a queue: a machine gets devices when it is started.</Empty>;
  }
  const { slot, queue } = choice;
  return (
    <>
      <QueueChooser
        devices={devices}
        choice={choice}
        onChoose={(next) => go(`${next.slot}/${next.queue}`)}
      />
      <Queue key={`${slot}/${queue}`} {...props} slot={slot} queue={queue} />
    </>
  );
}

/** What the address asks for if there is such a queue, or the first that is in use. */
function choiceOf(place: string, devices: readonly DeviceQueues[]): Choice | undefined {
  const [slot, queue = 0] = place.split("/").map(Number);
  const asked = place === "" ? undefined : devices.find((device) => device.slot === slot);
  if (asked !== undefined) {
    const index = asked.queues.some((other) => other.index === queue) ? queue : 0;
    return { slot, queue: index };
  }
  const busy = devices.find(({ queues }) => queues.some(({ isInUse }) => isInUse)) ?? devices[0];
  return busy === undefined ? undefined : { slot: busy.slot, queue: 0 };
}

interface QueueChooserProps {
  readonly devices: readonly DeviceQueues[];
  readonly choice: Choice;
  readonly onChoose: (choice: Choice) => void;
}

function QueueChooser({ devices, choice, onChoose }: QueueChooserProps): JSX.Element {
  const device = devices.find(({ slot }) => slot === choice.slot);
  return (
    <div class="queue-chooser">
      <label>
        Device{" "}
        <select
          value={choice.slot}
          onChange={({ currentTarget }) =>
            onChoose({ slot: Number(currentTarget.value), queue: 0 })
          }
        >
          {devices.map(({ slot, device: name }) => (
            <option key={slot} value={slot}>{`${name} (slot ${slot})`}</option>
          ))}
        </select>
      </label>
      <label>
        Queue{" "}
        <select
          value={choice.queue}
          onChange={({ currentTarget }) =>
            onChoose({ slot: choice.slot, queue: Number(currentTarget.value) })
          }
        >
          {device?.queues.map(({ index, name, isInUse }) => (
            <option key={index} value={index}>
              {`${index} ${name}${isInUse ? "" : " (not in use)"}`}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Queue({ machine, slot, queue }: PanelProps & Choice): JSX.Element {
  const isFrozen = useSignal(false);
  const open = useSignal<string | undefined>(undefined);
  const look = useHeldLook(
    () => machine.queue(slot, queue),
    () => isFrozen.value,
    [slot, queue],
  );
  // Nothing is kept for those who do not look; a machine that is gone keeps nothing either.
  const release = (): void => void machine.releaseQueue().catch(() => {});
  useEffect(() => release, []);
  const { value: view, error } = look;
  if (view === undefined) return <Empty>{error ?? ""}</Empty>;
  const row = view.rows.find(({ key }) => key === open.value);
  const freeze = (): void => {
    isFrozen.value = !isFrozen.value;
    if (isFrozen.value) release();
  };
  const openPlace = (place: number): void => {
    open.value = view.rows.find(({ places }) => places.includes(place))?.key ?? open.value;
  };
  return (
    <>
      <Section
        title={`${view.device}, queue ${view.queue}`}
        aside={
          <>
            <Badge>{view.layout ?? "not in use"}</Badge>
            <button type="button" class="freeze" aria-pressed={isFrozen.value} onClick={freeze}>
              Freeze
            </button>
          </>
        }
      >
        {view.ring === undefined ? (
          <Empty>The driver has not set this queue up, or has stopped it.</Empty>
        ) : (
          <>
            <div class="queue-top">
              <QueueRing view={view} selected={row?.places ?? []} onPlace={openPlace} />
              <QueueFacts view={view} />
            </div>
            <RingEntries
              view={view}
              isFrozen={isFrozen}
              ask={() => machine.queueEntries(slot, queue)}
            />
          </>
        )}
      </Section>
      <Chains view={view} open={open} />
      {open.value !== undefined && (
        <OpenChain
          key={open.value}
          ask={(key) => machine.queueChain(slot, queue, key)}
          chain={open.value}
          isFrozen={isFrozen}
        />
      )}
    </>
  );
}

interface ChainsProps {
  readonly view: QueueView;
  /** The key of the chain that is open. */
  readonly open: Signal<string | undefined>;
}

function Chains({ view, open }: ChainsProps): JSX.Element {
  return (
    <div class="queue-chains">
      <Section title="Chains" aside={<span class="kit-aside">{hiddenText(view)}</span>}>
        {view.rows.length === 0 ? (
          <Empty>No chain to show: what the device gives back from now on comes here.</Empty>
        ) : (
          <DataTable
            label="Chains"
            columns={CHAIN_COLUMNS}
            rows={view.rows}
            keyOf={({ key }) => key}
            onOpen={({ key }) => {
              open.value = key;
            }}
            isOpen={({ key }) => key === open.value}
            toneOf={({ flaw, state }) =>
              flaw !== undefined && state !== "used" ? "bad" : undefined
            }
          />
        )}
      </Section>
    </div>
  );
}

interface OpenChainProps {
  readonly ask: (key: string) => Promise<Chain>;
  readonly chain: string;
  readonly isFrozen: ReadonlySignal<boolean>;
}

/** Is asked for again while it may change; one that is gone stays as it was last. */
function OpenChain({ ask, chain, isFrozen }: OpenChainProps): JSX.Element | null {
  const { value, error, last } = useHeldLook(
    () => ask(chain),
    ({ state }) => state === "done" || isFrozen.value,
    [chain],
  );
  const place = useRef<HTMLDivElement>(null);
  const isThere = value !== undefined;
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [isThere]);
  if (last === undefined) {
    return error === undefined ? null : <Fault what={error} reason="" />;
  }
  return (
    <div class="queue-open" ref={place}>
      <ChainDetail chain={last} isGone={error !== undefined} />
    </div>
  );
}

/** What the three areas are called, by layout (2.7, 2.8). */
const AREAS = {
  split: ["descriptor table", "available ring", "used ring"],
  packed: ["descriptor ring", "driver events", "device events"],
} as const;

function QueueFacts({ view }: { view: QueueView }): JSX.Element {
  const { layout = "split", addresses, counters, ring, waiting, lastMalformed } = view;
  const places = [addresses?.desc, addresses?.driver, addresses?.device];
  return (
    <div class="queue-facts">
      <Facts
        facts={[
          { name: "size", value: addresses?.size },
          ...AREAS[layout].map((name, i) => ({
            name,
            value: <Hex value={places[i] ?? 0} digits={8} />,
          })),
          ...(ring?.suppression ?? []),
          { name: "available", value: waiting, title: "Chains that the device has not taken yet" },
          { name: "kicked", value: counters.kicks, title: "Kicks that were heeded" },
          { name: "taken", value: counters.chains, title: "Chains that the device has taken" },
          { name: "completed", value: counters.completed, title: "Chains that it gave back" },
          { name: "malformed", value: counters.malformed, title: lastMalformed },
          { name: "interrupted", value: counters.notified, title: "Used buffer notifications" },
          {
            name: "suppressed",
            value: counters.suppressed,
            title: "Used buffer notifications that the driver did not want",
          },
        ]}
      />
      {lastMalformed !== undefined && <Fault what="Last malformed chain:" reason={lastMalformed} />}
    </div>
  );
}

const CHAIN_COLUMNS: readonly Column<ChainRow>[] = [
  { title: "Chain", cell: ({ id }) => id, digits: 5 },
  {
    title: "State",
    cell: ({ state }) => <Badge tone={state === "in flight" ? "busy" : "quiet"}>{state}</Badge>,
    digits: 10,
  },
  { title: "Request", cell: ({ op, summary }) => <RequestCell op={op} summary={summary} /> },
  { title: "Out", cell: ({ readableLength }) => readableLength, align: "end", digits: 7 },
  {
    title: "In",
    cell: ({ usedLength, writableLength }) => usedLength ?? `≤ ${writableLength}`,
    align: "end",
    digits: 9,
  },
];

function RequestCell({ op, summary }: { op: string; summary: string }): JSX.Element {
  return (
    <span class="request-cell" title={summary}>
      <strong>{op}</strong> {summary}
    </span>
  );
}

function hiddenText({ hidden, skipped }: QueueView): string {
  const waiting = hidden === 0 ? [] : [`and ${hidden} more that wait`];
  const done = skipped === 0 ? [] : [`${skipped} done were too fast to be kept`];
  return [...waiting, ...done].join(", ");
}
