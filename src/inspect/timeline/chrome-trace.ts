/**
 * Requests in Chrome's trace event format, which Perfetto opens: a process for each device, with as
 * many rows for each queue as it had requests at once, one for interrupts, and an arrow from the end of
 * each request to the interrupt that told of it. Times are in µs.
 */
import type { RequestReader } from "./reader.ts";
import { Moment } from "./request-log.ts";

/**
 * Processes are numbered by slots and threads by queues, from 1 on: Perfetto takes number 0 for the idle task, and
 * does not show it.
 */
const FIRST = 1;
/** The process with the interrupts. */
const INTERRUPTS = 1000;
/** Rows of one queue; what is more at once is drawn over the last. */
const MAX_LANES = 256;
/** Between the numbers of the threads of two queues. */
const LANES = 1000;
/**
 * Times are rounded to 1/8 µs. That is exact both as a binary fraction and in ns, to which readers cut times off:
 * so what begins or ends together does so for them too, and nothing is longer than what it is a part of.
 */
const PARTS_OF_US = 8;

/** When the last request in it begins and ends. */
interface Lane {
  start: number;
  end: number;
}

type TraceEvent = Readonly<Record<string, unknown>>;

/** The file in pieces. */
export function* chromeTrace(reader: RequestReader, seqs: Iterable<number>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '{"displayTimeUnit":"ns","traceEvents":[\n';
  let separator = "";
  for (const event of events(reader, seqs)) {
    text += separator + JSON.stringify(event);
    separator = ",\n";
    if (text.length < PIECE) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(`${text}\n]}\n`);
}

/** Characters of a piece. */
const PIECE = 1 << 16;

function* events(reader: RequestReader, seqs: Iterable<number>): Generator<TraceEvent> {
  const trace = new Trace(reader);
  for (const seq of seqs) yield* trace.request(seq);
  yield* trace.deviceEvents();
}

class Trace {
  readonly #reader: RequestReader;
  readonly #lanes = new Map<string, Lane[]>();
  readonly #named = new Set<string>();
  /** The claims of a slot's interrupt that have been drawn: requests do not end in their order. */
  readonly #claims = new Map<number, Set<number>>();

  constructor(reader: RequestReader) {
    this.#reader = reader;
  }

  *request(seq: number): Generator<TraceEvent> {
    const reader = this.#reader;
    const start = rounded(reader.start(seq));
    const end = rounded(lastMoment(reader, seq) ?? start);
    const [slot, queue] = [reader.slot(seq), reader.queue(seq)];
    const pid = FIRST + slot;
    yield* this.#process(pid, `slot ${slot} ${reader.device(seq)}`);
    const lane = this.#laneFor(`${pid}/${queue}`, start, end);
    const tid = FIRST + queue * LANES + lane;
    yield* this.#thread(pid, tid, lane === 0 ? `queue ${queue}` : `queue ${queue} +${lane}`);
    const { op, summary } = reader.decode(seq);
    const place = { pid, tid, cat: "virtio" };
    const args = {
      seq,
      summary,
      chain: reader.chain(seq),
      readable: reader.readable(seq),
      writable: reader.writable(seq),
      written: reader.written(seq),
      outcome: reader.outcome(seq),
      ...(reader.isSuppressed(seq) && { interrupt: "suppressed" }),
    };
    yield { ...place, ph: "X", name: op, ts: start, dur: end - start, args };
    for (const [name, from, to] of PARTS) {
      const [ts, until] = [rounded(reader.time(seq, from)), rounded(reader.time(seq, to))];
      if (until > ts) yield { ...place, ph: "X", name, ts, dur: until - ts };
    }
    yield* this.#interrupt(seq, place, end);
  }

  *deviceEvents(): Generator<TraceEvent> {
    for (const { at, source, what } of this.#reader.recorder.events) {
      const pid = FIRST + source.slot;
      yield* this.#process(pid, `slot ${source.slot} ${source.name}`);
      const name = what === "config" ? "configuration changed" : `status ${what}`;
      yield { pid, tid: FIRST, cat: "device", ph: "i", s: "p", name, ts: rounded(at) };
    }
  }

  /** The interrupt that tells of a request, once for all that it tells of, and the arrow to it. */
  *#interrupt(seq: number, place: TraceEvent, end: number): Generator<TraceEvent> {
    const reader = this.#reader;
    const claim = rounded(reader.time(seq, Moment.CLAIM));
    if (Number.isNaN(claim)) return;
    const slot = reader.slot(seq);
    const target = { pid: INTERRUPTS, tid: FIRST + slot, cat: "irq" };
    yield* this.#process(INTERRUPTS, "interrupts");
    yield* this.#thread(INTERRUPTS, target.tid, `slot ${slot} ${reader.device(seq)}`);
    const claims = this.#claims.get(slot) ?? new Set();
    this.#claims.set(slot, claims);
    if (!claims.has(claim)) {
      claims.add(claim);
      const complete = rounded(reader.time(seq, Moment.COMPLETE));
      const dur = Number.isNaN(complete) ? 0 : complete - claim;
      yield { ...target, ph: "X", name: "interrupt", ts: claim, dur };
    }
    const flow = { cat: "irq", name: "used", id: seq };
    yield { ...place, ...flow, ph: "s", ts: Math.min(end, claim) };
    yield { ...target, ...flow, ph: "f", bp: "e", ts: claim };
  }

  #laneFor(queue: string, start: number, end: number): number {
    const lanes = this.#lanes.get(queue) ?? [];
    this.#lanes.set(queue, lanes);
    // What took no time is taken for a part of what begins in the same moment.
    let lane = lanes.findIndex(
      (last) => last.end < start || (last.end === start && last.start < start),
    );
    if (lane < 0) lane = lanes.length < MAX_LANES ? lanes.push({ start, end }) - 1 : MAX_LANES - 1;
    lanes[lane] = { start, end };
    return lane;
  }

  *#process(pid: number, name: string): Generator<TraceEvent> {
    if (this.#isNew(`${pid}`)) yield { ph: "M", name: "process_name", pid, args: { name } };
  }

  *#thread(pid: number, tid: number, name: string): Generator<TraceEvent> {
    if (this.#isNew(`${pid}/${tid}`))
      yield { ph: "M", name: "thread_name", pid, tid, args: { name } };
  }

  #isNew(key: string): boolean {
    const { size } = this.#named;
    return this.#named.add(key).size > size;
  }
}

/** What is drawn below a request. */
const PARTS = [
  ["wait", Moment.KICK, Moment.POP],
  ["device", Moment.POP, Moment.PUSH],
  ["to the driver", Moment.PUSH, Moment.CLAIM],
] as const;

const rounded = (us: number): number => Math.round(us * PARTS_OF_US) / PARTS_OF_US;

function lastMoment(reader: RequestReader, seq: number): number | undefined {
  const moments = [Moment.CLAIM, Moment.USED, Moment.PUSH, Moment.POP];
  return moments.map((moment) => reader.time(seq, moment)).find((time) => !Number.isNaN(time));
}
