/** The timeline of one machine: its record, the filter that somebody looks through, and exports. */
import { joined } from "../../packet/bytes.ts";
import { Histogram, type HistogramView } from "../histogram.ts";
import type { Field } from "../payload/payload.ts";
import type { TimedSubject } from "../subject.ts";
import { chromeTrace } from "./chrome-trace.ts";
import { FilterError } from "./filter-error.ts";
import { FIELDS } from "./filter-fields.ts";
import { jsonExport } from "./json-export.ts";
import { pcapng } from "./pcapng.ts";
import { type OutcomeName, PHASES, type Phase, RequestReader } from "./reader.ts";
import { Recorder } from "./recorder.ts";
import { Moment, Part } from "./request-log.ts";
import { TimelineView } from "./view.ts";

/** The longest that reading the record may hold the guest at each look, in ms. */
const READ_MS = 4;

/** Rows that one call gives: several screens full. */
const MAX_ROWS = 500;

/** What latencies are counted for, in µs; NaN while it is not known. */
const COUNTED = {
  wait: (reader: RequestReader, seq: number) => reader.phase(seq, "wait"),
  device: (reader: RequestReader, seq: number) => reader.phase(seq, "device"),
  irq: (reader: RequestReader, seq: number) => reader.phase(seq, "irq"),
  total: (reader: RequestReader, seq: number) => reader.latency(seq),
} as const;

/** A time of a request in µs since the record's beginning; undefined while it has not come. */
type Times = { readonly [name in MomentName]?: number };
type MomentName = Lowercase<keyof typeof Moment>;

const MOMENTS = Object.entries(Moment).map(
  ([name, moment]) => [name.toLowerCase() as MomentName, moment] as const,
);

export interface TimelineRow {
  readonly seq: number;
  readonly slot: number;
  readonly device: string;
  readonly queue: number;
  readonly op: string;
  readonly summary: string;
  /** Bytes of its buffers, and how many the device wrote. */
  readonly length: number;
  readonly written: number;
  readonly outcome: OutcomeName;
  readonly isSuppressed: boolean;
  /** Requests before it were left out, since nobody looked and there were too many. */
  readonly isAfterGap: boolean;
  /** Nothing of this changes any more. */
  readonly isSettled: boolean;
  /** When the device took it and when its first moment was, in µs since the record's beginning. */
  readonly at: number;
  readonly start: number;
  readonly times: Times;
  /** In µs from its start to the driver's claim; undefined while that is not known. */
  readonly latency: number | undefined;
}

/** A row with its index among the matches. */
export interface IndexedRow extends TimelineRow {
  readonly index: number;
}

export interface TimelineState {
  readonly isRecording: boolean;
  /** Requests that are kept. */
  readonly kept: number;
  /** Matches have indices from `first` to before `end`; the oldest go as new ones come. */
  readonly first: number;
  readonly end: number;
  /** While it is the same, the filter is, and a match keeps its index. */
  readonly revision: number;
  /** The share of the record that the filter has been asked about, from 0 to 1. */
  readonly progress: number;
  /** What is wrong with the filter, and at which character. */
  readonly mistake?: { readonly message: string; readonly at: number };
}

export interface TimelineDetail {
  readonly row: TimelineRow;
  /** Its place among the matches, if it is one. */
  readonly index: number | undefined;
  readonly chain: number;
  readonly readableLength: number;
  readonly writableLength: number;
  readonly phases: Readonly<Record<Phase, number | undefined>>;
  readonly fields: readonly Field[];
  /** From which offset on fields are of what the device wrote. */
  readonly writtenAt: number;
  /** What is kept of the two parts, copied; undefined if it had to make room. */
  readonly readable: Uint8Array | undefined;
  readonly written: Uint8Array | undefined;
}

export interface TimelineLatencies {
  readonly phases: Readonly<Record<keyof typeof COUNTED, HistogramView>>;
}

const EXPORTS = { pcapng, trace: chromeTrace, json: jsonExport };
export type ExportKind = keyof typeof EXPORTS;

export class Timeline {
  readonly recorder: Recorder;
  readonly #reader: RequestReader;
  readonly #nowMs: () => number;
  #view: TimelineView;
  /** Added to the view's own revisions, so that no two views have the same. */
  #firstRevision = 0;
  #mistake: TimelineState["mistake"];
  #export: Generator<Uint8Array> | undefined;

  constructor({ machine, clock, sleep }: TimedSubject) {
    this.#nowMs = () => clock.nowMs();
    this.recorder = new Recorder({
      observe: (observer) => machine.observe(observer),
      nowUs: () => clock.nowMs() * 1000,
      wallClockMs: () => clock.wallClockMs(),
      sleep,
      firstSpi: machine.slots.profile.firstSpi,
    });
    this.#reader = new RequestReader(this.recorder);
    this.#view = new TimelineView("", this.#reader);
  }

  /** Looks through `filter`; a wrong one changes nothing and is reported. */
  look(filter: string): TimelineState {
    this.recorder.touch();
    this.#use(filter);
    const end = this.#nowMs() + READ_MS;
    this.#view.update(() => this.#nowMs() >= end);
    const { log, isRecording } = this.recorder;
    const { first, end: beyond, progress } = this.#view;
    const [kept, revision] = [log.end - log.first, this.#revision];
    const state = { isRecording, kept, first, end: beyond, revision, progress };
    return this.#mistake === undefined ? state : { ...state, mistake: this.#mistake };
  }

  /** Matches from index `from` on; none if indices are not those of `revision` any more. */
  rows(from: number, count: number, revision: number): IndexedRow[] {
    if (revision !== this.#revision) return [];
    const first = Math.max(from, this.#view.first);
    const end = Math.min(from + Math.min(count, MAX_ROWS), this.#view.end);
    const rows: IndexedRow[] = [];
    for (let index = first; index < end; index++) {
      const seq = this.#view.at(index);
      // Since the last look some may have had to make room: the others keep their indices.
      if (this.recorder.log.has(seq)) rows.push({ ...this.#row(seq), index });
    }
    return rows;
  }

  detail(seq: number): TimelineDetail | undefined {
    if (!this.recorder.log.has(seq)) return undefined;
    const index = this.#view.indexOf(seq);
    const isMatch = index < this.#view.end && this.#view.at(index) === seq;
    const phases = Object.keys(PHASES) as Phase[];
    return {
      row: this.#row(seq),
      index: isMatch ? index : undefined,
      chain: this.#reader.chain(seq),
      readableLength: this.#reader.readable(seq),
      writableLength: this.#reader.writable(seq),
      phases: Object.fromEntries(
        phases.map((phase) => [phase, defined(this.#reader.phase(seq, phase))]),
      ) as TimelineDetail["phases"],
      fields: this.#reader.decode(seq).fields,
      writtenAt: this.#reader.writtenAt(seq),
      readable: this.#reader.sample(seq, Part.READABLE)?.slice(),
      written: this.#reader.sample(seq, Part.WRITTEN)?.slice(),
    };
  }

  latencies(): TimelineLatencies {
    const counted = Object.entries(COUNTED).map(([name, read]) => {
      return { name, read, histogram: new Histogram() };
    });
    const { log } = this.recorder;
    for (const seq of this.#view.matches()) {
      if (!log.has(seq)) continue;
      for (const { read, histogram } of counted) histogram.add(read(this.#reader, seq));
    }
    const views = counted.map(({ name, histogram }) => [name, histogram.view()]);
    return { phases: Object.fromEntries(views) as TimelineLatencies["phases"] };
  }

  /** Begins a file of all matches; one is made at a time. */
  beginExport(kind: ExportKind): void {
    if (!Object.hasOwn(EXPORTS, kind)) throw new Error(`there is no export "${kind}"`);
    this.#view.update(() => false);
    this.#export = EXPORTS[kind](this.#reader, this.#kept([...this.#view.matches()]));
  }

  /** The next piece of the file; undefined at its end. */
  nextOfExport(): Uint8Array | undefined {
    const pieces: Uint8Array[] = [];
    const end = this.#nowMs() + READ_MS;
    do {
      const next = this.#export?.next();
      if (next === undefined || next.done) break;
      pieces.push(next.value);
    } while (this.#nowMs() < end);
    if (pieces.length === 0) this.#export = undefined;
    return pieces.length === 0 ? undefined : joined(pieces);
  }

  get #revision(): number {
    return this.#firstRevision + this.#view.revision;
  }

  /** Of a list made some time ago, what has not had to make room since. */
  *#kept(seqs: readonly number[]): Generator<number> {
    for (const seq of seqs) if (this.recorder.log.has(seq)) yield seq;
  }

  #use(filter: string): void {
    if (this.#view.text === filter) {
      this.#mistake = undefined;
      return;
    }
    try {
      const next = new TimelineView(filter, this.#reader);
      this.#firstRevision = this.#revision + 1;
      this.#view = next;
      this.#mistake = undefined;
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      this.#mistake = { message: error.message, at: error.at };
    }
  }

  #row(seq: number): TimelineRow {
    const reader = this.#reader;
    const { op, summary } = reader.decode(seq);
    const known = MOMENTS.map(([name, moment]) => [name, reader.time(seq, moment)] as const);
    const times: Times = Object.fromEntries(known.filter(([, time]) => !Number.isNaN(time)));
    const isServed = times.claim === undefined || times.complete !== undefined;
    return {
      seq,
      slot: reader.slot(seq),
      device: reader.device(seq),
      queue: reader.queue(seq),
      op,
      summary,
      length: reader.bytes(seq),
      written: reader.written(seq),
      outcome: reader.outcome(seq),
      isSuppressed: reader.isSuppressed(seq),
      isAfterGap: reader.isAfterGap(seq),
      isSettled: reader.isSettled(seq) && isServed,
      at: reader.taken(seq),
      start: reader.start(seq),
      times,
      latency: defined(reader.latency(seq)),
    };
  }
}

/** Fields of filters, with what they are about. */
export const FILTER_FIELDS = Object.entries(FIELDS).map(([name, { about }]) => ({ name, about }));

function defined(us: number): number | undefined {
  return Number.isNaN(us) ? undefined : us;
}
