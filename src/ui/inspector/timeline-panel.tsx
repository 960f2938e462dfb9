/** Every request of the guest from its kick to the end of its interrupt. */
import "./timeline.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { TimelineState } from "../../inspect/calls.ts";
import { pass } from "./address.ts";
import { countText } from "./address-text.ts";
import { Empty } from "./kit.tsx";
import { type PanelProps, useLook } from "./panel.ts";
import { RequestDetail } from "./timeline-detail.tsx";
import { ExportButtons } from "./timeline-export.tsx";
import { FilterBox } from "./timeline-filter.tsx";
import { Latencies } from "./timeline-latencies.tsx";
import { TimelineList } from "./timeline-list.tsx";
import { parsePlace, placeOf } from "./timeline-place.ts";

export function TimelinePanel({ machine, place, go }: PanelProps): JSX.Element {
  const { seq, filter } = parsePlace(place);
  const list = useRef<HTMLDivElement>(null);
  const hasLatencies = useSignal(false);
  const { value: state, error } = useLook(() => machine.timeline(filter), [machine, filter]).value;
  const ask = seq === undefined ? undefined : () => machine.timelineRequest(seq);
  const detail = useLook(ask, [machine, seq, filter]).value.value;
  if (state === undefined) return <Empty>{error ?? ""}</Empty>;
  const open = (next: number | undefined): void => go(placeOf({ seq: next, filter }));
  // Who goes through a hundred of them wants one step back, not a hundred.
  const visit = (next: number): void => pass(placeOf({ seq: next, filter }), "timeline");
  const close = (): void => {
    open(undefined);
    // The button that had the focus goes away.
    list.current?.focus();
  };
  const step = async (by: number): Promise<void> => {
    if (detail?.index === undefined) return;
    const [row] = await machine.timelineRows(detail.index + by, 1, state.revision);
    if (row !== undefined) visit(row.seq);
  };
  // From request to request the last one stays until the next has come, so that nothing jumps between them.
  const shown = seq === undefined ? undefined : detail;
  return (
    <div class="timeline">
      <div class="timeline-bar">
        <RecordButtons machine={machine} state={state} />
        <button
          type="button"
          aria-pressed={hasLatencies.value}
          onClick={() => {
            hasLatencies.value = !hasLatencies.value;
          }}
        >
          Latencies
        </button>
        <ExportButtons machine={machine} />
        <Count state={state} />
      </div>
      <FilterBox
        machine={machine}
        filter={filter}
        mistake={state.mistake}
        onFilter={(next) => go(placeOf({ seq, filter: next }))}
      />
      {hasLatencies.value && <Latencies machine={machine} filter={filter} />}
      <div class="timeline-requests">
        <TimelineList
          machine={machine}
          state={state}
          list={list}
          selected={seq}
          selectedIndex={shown?.row.seq === seq ? shown?.index : undefined}
          onSelect={(next, how) => (how === "key" && seq !== undefined ? visit : open)(next)}
          onClose={close}
        />
        {state.end === state.first && <NoRows state={state} />}
      </div>
      {shown !== undefined && (
        <RequestDetail detail={shown} onStep={(by) => void step(by)} onClose={close} />
      )}
      {seq !== undefined && detail === undefined && (
        <p class="timeline-gone">Request {seq} is not in the record, or no longer.</p>
      )}
    </div>
  );
}

interface StateProps {
  readonly machine: PanelProps["machine"];
  readonly state: TimelineState;
}

function RecordButtons({ machine, state: { isRecording } }: StateProps): JSX.Element {
  return (
    <div class="timeline-tools">
      <button
        type="button"
        class="record"
        onClick={() => void machine.timelineRecord(!isRecording)}
      >
        {isRecording ? "Pause" : "Record"}
      </button>
      <button type="button" onClick={() => void machine.timelineClear()}>
        Clear
      </button>
    </div>
  );
}

function Count({ state: { first, end, kept, progress } }: { state: TimelineState }): JSX.Element {
  const count = countText(end - first);
  return (
    <output class="timeline-count" aria-label="Requests shown">
      {progress < 1
        ? `${count} so far, ${Math.round(progress * 100)}% read`
        : `${count} of ${countText(kept)}`}
    </output>
  );
}

function NoRows({ state: { kept, isRecording } }: { state: TimelineState }): JSX.Element {
  const nothing = isRecording
    ? "Nothing has happened yet: run a command such as `dd` in the terminal, and its requests appear."
    : "The record is paused: press Record to see what the guest asks of its devices.";
  return <p class="timeline-empty">{kept > 0 ? "No request passes this filter." : nothing}</p>;
}
