/** The profiler: where the guest spends its time, by function. */
import "./profile-panel.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ProfileView, Remote, TopFunction } from "../../inspect/calls.ts";
import { saveBlob } from "../save-file.ts";
import { countText, percentText } from "./address-text.ts";
import { FlameGraph } from "./flame-graph.tsx";
import { Badge, DataTable, Empty, Fault, Section } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { useSymbols } from "./symbol-source.ts";

/** Between two looks at the profile, in ms. */
const PROFILE_MS = 1000;

export function ProfilePanel({ machine, session, go }: PanelProps): JSX.Element {
  const symbols = useSymbols(machine, session);
  const turns = useSignal(0);
  const search = useSignal("");
  const look = useLook(() => machine.profile(), [machine, turns.value], PROFILE_MS).value;
  const { value: profile, error } = look;
  if (profile === undefined) {
    return error ? <Fault what="Nothing to see:" reason={error} /> : <Empty>…</Empty>;
  }
  const act = async (work: Promise<unknown>): Promise<void> => {
    await work;
    turns.value++;
  };
  return (
    <div class="profile">
      <header class="profile-bar">
        <button
          type="button"
          class={profile.isOn ? "danger" : "main"}
          onClick={() => void act(profile.isOn ? machine.stopProfile() : machine.startProfile())}
        >
          {profile.isOn ? "Stop" : "Start"}
        </button>
        <button
          type="button"
          disabled={profile.samples === 0}
          onClick={() => void act(machine.clearProfile())}
        >
          Clear
        </button>
        <Exports machine={machine} isEmpty={profile.samples === 0} />
        <Summary profile={profile} />
      </header>
      {symbols.files.length === 0 && (
        <Empty>
          Functions have no names without symbols:{" "}
          <button type="button" class="kit-link" onClick={() => go("symbols", "cpu")}>
            add the kernel's System.map
          </button>
          .
        </Empty>
      )}
      {profile.samples === 0 ? (
        <Empty>
          Start, and have the guest do something: hundreds of times a second the profiler notes the
          function that runs and its callers.
        </Empty>
      ) : (
        <Results
          profile={profile}
          search={search.value}
          onSearch={(text) => (search.value = text)}
        />
      )}
    </div>
  );
}

function Summary({ profile }: { profile: ProfileView }): JSX.Element {
  const { samples, elapsedMs, costMs, isFull } = profile;
  const cost = elapsedMs === 0 ? "–" : percentText(costMs / elapsedMs);
  return (
    <p class="profile-summary">
      <span>{`${countText(samples)} samples in ${(elapsedMs / 1000).toFixed(1)} s`}</span>
      <span title="What taking the samples took">{`cost ${cost}`}</span>
      {isFull && (
        <Badge tone="warn" title="Further stacks count where they part from the known ones">
          full
        </Badge>
      )}
    </p>
  );
}

interface ResultsProps {
  readonly profile: ProfileView;
  readonly search: string;
  readonly onSearch: (text: string) => void;
}

function Results({ profile, search, onSearch }: ResultsProps): JSX.Element {
  const { tree, top, samples } = profile;
  const share = (count: number): string => percentText(count / samples);
  return (
    <>
      <Section
        title="Flame graph"
        aside={
          <input
            type="search"
            aria-label="Mark functions whose name has"
            placeholder="Search"
            value={search}
            onInput={({ currentTarget }) => onSearch(currentTarget.value)}
          />
        }
      >
        <FlameGraph tree={tree} search={search} />
      </Section>
      <Section title="Functions" aside={<span class="kit-aside">by their own time</span>}>
        <DataTable<TopFunction>
          label="Functions by their own time"
          rows={top}
          keyOf={({ kind, name }) => `${kind} ${name}`}
          columns={[
            { title: "Function", cell: ({ name }) => <code>{name}</code> },
            { title: "Mode", cell: ({ kind }) => kind },
            { title: "Self", cell: ({ self }) => share(self), align: "end", digits: 6 },
            { title: "With callees", cell: ({ total }) => share(total), align: "end", digits: 6 },
            { title: "Samples", cell: ({ self }) => countText(self), align: "end", digits: 8 },
          ]}
        />
      </Section>
    </>
  );
}

const FORMATS = [
  { format: "folded", label: "Save stacks", file: "guest.folded", type: "text/plain" },
  {
    format: "speedscope",
    label: "Save JSON",
    file: "guest.speedscope.json",
    type: "application/json",
  },
] as const;

function Exports({ machine, isEmpty }: { machine: Remote; isEmpty: boolean }): JSX.Element {
  const save = async (format: "folded" | "speedscope", file: string, type: string) =>
    saveBlob(new Blob([await machine.exportProfile(format)], { type }), file);
  return (
    <>
      {FORMATS.map(({ format, label, file, type }) => (
        <button
          key={format}
          type="button"
          disabled={isEmpty}
          title={file}
          onClick={() => void save(format, file, type)}
        >
          {label}
        </button>
      ))}
    </>
  );
}
