/** Requests as JSON, for programs: all that is known of each, decoded, times in µs. */
import type { RequestReader } from "./reader.ts";
import { Moment } from "./request-log.ts";

/** Changes when what is there changes its meaning. */
const VERSION = 1;

/** Requests in a piece. */
const PIECE = 256;

const MOMENTS = Object.entries(Moment).map(
  ([name, moment]) => [name.toLowerCase(), moment] as const,
);

/** The file in pieces. */
export function* jsonExport(reader: RequestReader, seqs: Iterable<number>): Generator<Uint8Array> {
  const { recorder } = reader;
  const encoder = new TextEncoder();
  const head = {
    version: VERSION,
    startedAt: new Date(recorder.startedAtMs).toISOString(),
    devices: recorder.sources,
    events: recorder.events.map(({ at, source, what }) => ({ at, device: source.name, what })),
  };
  let text = `${JSON.stringify(head).slice(0, -1)},"requests":[\n`;
  let separator = "";
  let count = 0;
  for (const seq of seqs) {
    text += separator + JSON.stringify(requestOf(reader, seq));
    separator = ",\n";
    if (++count % PIECE !== 0) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(`${text}\n]}\n`);
}

function requestOf(reader: RequestReader, seq: number) {
  const times = MOMENTS.map(([name, moment]) => [name, reader.time(seq, moment)] as const);
  return {
    seq,
    slot: reader.slot(seq),
    device: reader.device(seq),
    type: reader.typeName(seq),
    queue: reader.queue(seq),
    chain: reader.chain(seq),
    outcome: reader.outcome(seq),
    suppressed: reader.isSuppressed(seq),
    afterGap: reader.isAfterGap(seq),
    readable: reader.readable(seq),
    writable: reader.writable(seq),
    written: reader.written(seq),
    times: Object.fromEntries(times.filter(([, time]) => !Number.isNaN(time))),
    ...reader.decode(seq),
  };
}
