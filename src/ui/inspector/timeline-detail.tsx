/** One request in full: its moments, what it says, and its bytes. */
import type { JSX } from "preact";
import type { TimelineDetail, TimelineRow } from "../../inspect/calls.ts";
import { PayloadView } from "./payload-view.tsx";
import { formatDuration, formatMoment } from "./time-format.ts";

/** Bytes shown of each part; a frame of 64 KiB would be 4,000 lines. */
const MAX_SHOWN = 2048;

const MOMENTS: readonly { readonly name: keyof TimelineRow["times"]; readonly about: string }[] = [
  { name: "kick", about: "the driver notified the queue" },
  { name: "pop", about: "the device took the chain" },
  { name: "push", about: "the device gave it back" },
  { name: "used", about: "it was in the used ring" },
  { name: "pulse", about: "the interrupt was raised" },
  { name: "claim", about: "the driver took the interrupt" },
  { name: "complete", about: "the driver had served it" },
];

export interface RequestDetailProps {
  readonly detail: TimelineDetail;
  readonly onStep: (by: number) => void;
  readonly onClose: () => void;
}

export function RequestDetail({ detail, onStep, onClose }: RequestDetailProps): JSX.Element {
  const { row } = detail;
  return (
    <section class="timeline-detail" aria-label={`Request ${row.seq}`}>
      <header>
        <h2>
          #{row.seq} {row.device} <b>{row.op}</b> {row.summary}
        </h2>
        <div class="timeline-tools">
          <button type="button" onClick={() => onStep(-1)} disabled={detail.index === undefined}>
            Previous
          </button>
          <button type="button" onClick={() => onStep(1)} disabled={detail.index === undefined}>
            Next
          </button>
          <button type="button" onClick={onClose}>
            Close
          </button>
        </div>
      </header>
      <p class="kit-aside">
        slot {row.slot}, queue {row.queue}, chain {detail.chain} · {detail.readableLength} bytes to
        the device, room for {detail.writableLength}, {row.written} written · {row.outcome}
        {row.isSuppressed && " · the driver wanted no interrupt"}
        {row.isAfterGap &&
          " · others before it were left out: nobody looked, and there were too many"}
      </p>
      <Moments row={row} />
      {detail.readable === undefined || detail.written === undefined ? (
        <p class="kit-aside">Its bytes had to make room for newer ones.</p>
      ) : (
        <PayloadView
          {...detail}
          readable={detail.readable.subarray(0, MAX_SHOWN)}
          written={detail.written.subarray(0, MAX_SHOWN)}
          writtenLength={Math.max(row.written, detail.written.length)}
        />
      )}
    </section>
  );
}

function Moments({ row }: { row: TimelineRow }): JSX.Element {
  let last: number | undefined;
  return (
    <table class="timeline-moments">
      <thead>
        <tr>
          <th scope="col">Moment</th>
          <th scope="col">At</th>
          <th scope="col">After</th>
          <th scope="col">
            <span class="kit-aside">what happened</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {MOMENTS.map(({ name, about }) => {
          const at = row.times[name];
          const after = at === undefined || last === undefined ? undefined : at - last;
          last = at ?? last;
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{at === undefined ? "–" : `${formatMoment(at)} s`}</td>
              <td>{after === undefined ? "" : `+${formatDuration(after)}`}</td>
              <td class="kit-aside">{about}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
