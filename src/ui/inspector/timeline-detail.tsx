/** One request in full: its moments, what it says, and its bytes. */
import type { JSX } from "preact";
import type { Field, TimelineDetail, TimelineRow } from "../../inspect/calls.ts";
import { formatDuration, formatMoment } from "./timeline-format.ts";

/** Bytes shown of each part; a frame of 64 KiB would be 4,000 lines. */
const MAX_SHOWN = 2048;

const BYTES_PER_LINE = 16;

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
      <p class="facts-line">
        slot {row.slot}, queue {row.queue}, chain {detail.chain} · {detail.readableLength} bytes to
        the device, room for {detail.writableLength}, {row.written} written · {row.outcome}
        {row.isSuppressed && " · the driver wanted no interrupt"}
      </p>
      <Moments row={row} />
      {detail.fields.length > 0 && <Fields fields={detail.fields} />}
      <Bytes title="To the device" bytes={detail.readable} length={detail.readableLength} />
      <Bytes title="Written by the device" bytes={detail.written} length={row.written} />
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
            <span class="quiet">what happened</span>
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
              <td class="quiet">{about}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function Fields({ fields }: { fields: readonly Field[] }): JSX.Element {
  return (
    <ul class="timeline-fields">
      {fields.map(({ name, value, note, children }, i) => (
        <li key={i}>
          <span class="name">{name}</span> <span class="value">{value}</span>
          {note !== undefined && <span class="quiet"> {note}</span>}
          {children !== undefined && children.length > 0 && <Fields fields={children} />}
        </li>
      ))}
    </ul>
  );
}

interface BytesProps {
  readonly title: string;
  readonly bytes: Uint8Array | undefined;
  readonly length: number;
}

function Bytes({ title, bytes, length }: BytesProps): JSX.Element | null {
  if (length === 0) return null;
  const shown = bytes?.subarray(0, MAX_SHOWN);
  const left = length - (shown?.length ?? 0);
  return (
    <figure class="timeline-bytes">
      <figcaption>
        {title}, {length} bytes{left > 0 && <span class="quiet"> ({left} not shown)</span>}
      </figcaption>
      {shown === undefined ? (
        <p class="quiet">These bytes had to make room for newer ones.</p>
      ) : (
        <pre>{hexOf(shown)}</pre>
      )}
    </figure>
  );
}

/** Offset, bytes and characters, 16 in a line. */
function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_LINE) {
    const line = [...bytes.subarray(at, at + BYTES_PER_LINE)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    const offset = at.toString(16).padStart(4, "0");
    lines.push(`${offset}  ${hex.padEnd(3 * BYTES_PER_LINE)} ${text.join("")}`);
  }
  return lines.join("\n");
}
