/** What can be read of a recorded request, by its sequence number: what filters, lists and exports use. */
import { DeviceType } from "../../virtio/spec.ts";
import type { Payload } from "../payload/field.ts";
import { decodePayload } from "../payload/payload.ts";
import type { Recorder } from "./recorder.ts";
import { Mark, Moment, Outcome, Part } from "./request-log.ts";

/** Names of operations that are kept; a guest can make up more, which are then read again each time. */
const MAX_OPS = 4096;

/** More than the data of any request that Linux makes of a disk; a longer one looks this long. */
const STRETCH_BYTES = 4 * 2 ** 20;

const EMPTY = new Uint8Array(0);

/** What a filter calls the types of devices: `block`, `net`, `9p`. */
const TYPE_NAMES = new Map<number, string>(
  Object.entries(DeviceType).map(([name, type]) => [
    type,
    name === "NINE_P" ? "9p" : name.toLowerCase().replace("_", "-"),
  ]),
);

const OUTCOMES = {
  [Outcome.IN_FLIGHT]: "in-flight",
  [Outcome.DONE]: "done",
  [Outcome.MALFORMED]: "malformed",
  [Outcome.DROPPED]: "dropped",
  [Outcome.UNSEEN]: "unseen",
} as const;

export type OutcomeName = (typeof OUTCOMES)[Outcome] | "failed";

export const OUTCOME_NAMES: readonly OutcomeName[] = [...Object.values(OUTCOMES), "failed"];

/** From when to when a phase of a request lasts. */
export const PHASES = {
  /** Until the device took it. */
  wait: [Moment.KICK, Moment.POP],
  /** In the device and what is behind it. */
  device: [Moment.POP, Moment.PUSH],
  /** Until the driver took the interrupt. */
  irq: [Moment.PUSH, Moment.CLAIM],
  /** Until the driver had served the interrupt. */
  service: [Moment.CLAIM, Moment.COMPLETE],
} as const satisfies Record<string, readonly [Moment, Moment]>;
export type Phase = keyof typeof PHASES;

export class RequestReader {
  readonly recorder: Recorder;
  readonly #ops: string[] = [""];
  readonly #opNumbers = new Map<string, number>();
  /** All zeros between calls. */
  #stretched = { readable: EMPTY, written: EMPTY };

  constructor(recorder: Recorder) {
    this.recorder = recorder;
  }

  slot(seq: number): number {
    return this.#source(seq).slot;
  }

  device(seq: number): string {
    return this.#source(seq).name;
  }

  deviceType(seq: number): number {
    return this.#source(seq).type;
  }

  typeName(seq: number): string {
    const { type } = this.#source(seq);
    return TYPE_NAMES.get(type) ?? `type-${type}`;
  }

  queue(seq: number): number {
    return this.recorder.log.queue(seq);
  }

  chain(seq: number): number {
    return this.recorder.log.chain(seq);
  }

  /** Bytes of both parts of the chain. */
  bytes(seq: number): number {
    const { log } = this.recorder;
    return log.readableLength(seq) + log.writableLength(seq);
  }

  readable(seq: number): number {
    return this.recorder.log.readableLength(seq);
  }

  writable(seq: number): number {
    return this.recorder.log.writableLength(seq);
  }

  written(seq: number): number {
    return this.recorder.log.written(seq);
  }

  time(seq: number, moment: Moment): number {
    return this.recorder.log.time(seq, moment);
  }

  /** The first moment that is known of it, in µs since the record's beginning. */
  start(seq: number): number {
    for (const moment of [Moment.KICK, Moment.POP, Moment.PUSH]) {
      const at = this.time(seq, moment);
      if (!Number.isNaN(at)) return at;
    }
    return 0;
  }

  /** When the device took it, by which requests are in order, or when it was seen first. */
  taken(seq: number): number {
    const at = this.time(seq, Moment.POP);
    return Number.isNaN(at) ? this.start(seq) : at;
  }

  /** In µs; NaN while its end, or its beginning, is not known. */
  phase(seq: number, phase: Phase): number {
    const [from, to] = PHASES[phase];
    return this.time(seq, to) - this.time(seq, from);
  }

  /**
   * From the first moment known to the last that matters, in µs: the claim of its interrupt, or without
   * one the used ring; NaN while that has not come.
   */
  latency(seq: number): number {
    const claim = this.time(seq, Moment.CLAIM);
    const end = Number.isNaN(claim) && this.isSuppressed(seq) ? this.time(seq, Moment.USED) : claim;
    return end - this.start(seq);
  }

  outcome(seq: number): OutcomeName {
    const { log } = this.recorder;
    const outcome = log.outcome(seq);
    return outcome === Outcome.DONE && log.isMarked(seq, Mark.FAILED)
      ? "failed"
      : OUTCOMES[outcome];
  }

  isSuppressed(seq: number): boolean {
    return this.recorder.log.isMarked(seq, Mark.SUPPRESSED);
  }

  /** Whether requests before it were left out. */
  isAfterGap(seq: number): boolean {
    return this.recorder.log.isMarked(seq, Mark.AFTER_GAP);
  }

  /** Whether nothing more will be recorded of it that a filter could ask for. */
  isSettled(seq: number): boolean {
    const outcome = this.recorder.log.outcome(seq);
    if (outcome === Outcome.IN_FLIGHT) return false;
    if (outcome === Outcome.DROPPED || outcome === Outcome.UNSEEN) return true;
    return this.isSuppressed(seq) || !Number.isNaN(this.time(seq, Moment.CLAIM));
  }

  /** What is kept of a part's bytes; undefined once they had to make room. */
  sample(seq: number, part: Part): Uint8Array | undefined {
    return this.recorder.samples.view(this.deviceType(seq), this.recorder.log.sample(seq, part));
  }

  /** From which offset on fields of the decoded request are of what the device wrote. */
  writtenAt(seq: number): number {
    const sample = this.sample(seq, Part.READABLE)?.length ?? 0;
    if (this.deviceType(seq) !== DeviceType.BLOCK) return sample;
    return Math.max(sample, Math.min(this.readable(seq), STRETCH_BYTES));
  }

  decode(seq: number): Payload {
    const { log } = this.recorder;
    const readable = this.sample(seq, Part.READABLE);
    const written = this.sample(seq, Part.WRITTEN);
    if (readable === undefined || written === undefined) {
      return { op: "", summary: "its bytes had to make room for newer ones", fields: [] };
    }
    const flaw = this.recorder.flaw(seq);
    if (flaw !== undefined) return { op: "malformed", summary: flaw, fields: [] };
    const type = this.deviceType(seq);
    const answer = log.outcome(seq) === Outcome.IN_FLIGHT ? EMPTY : written;
    const [queue, features] = [this.queue(seq), log.features(seq)];
    if (type !== DeviceType.BLOCK) return decodePayload(type, queue, features, readable, answer);
    // How much a block request transfers is said by the lengths of its parts alone (virtio 5.2.6).
    return this.#stretch("readable", readable, this.readable(seq), (all) =>
      this.#stretch("written", answer, answer.length && this.writable(seq), (answered) =>
        decodePayload(type, queue, features, all, answered),
      ),
    );
  }

  /** Lends a part of its whole length, with zeros for the data that is not kept before its last byte. */
  #stretch(
    part: "readable" | "written",
    sample: Uint8Array,
    length: number,
    decode: (whole: Uint8Array) => Payload,
  ): Payload {
    const whole = Math.min(length, STRETCH_BYTES);
    if (whole <= sample.length) return decode(sample);
    if (this.#stretched[part].length < whole) this.#stretched[part] = new Uint8Array(whole);
    const lent = this.#stretched[part].subarray(0, whole);
    const head = sample.subarray(0, sample.length - 1);
    lent.set(head);
    lent[whole - 1] = sample[sample.length - 1];
    const payload = decode(lent);
    lent.fill(0, 0, head.length);
    lent[whole - 1] = 0;
    return payload;
  }

  /** The operation's name alone, which is remembered for what has come back. */
  op(seq: number): string {
    const { log } = this.recorder;
    const known = log.op(seq);
    if (known !== 0) return this.#ops[known];
    const { op } = this.decode(seq);
    if (log.outcome(seq) !== Outcome.IN_FLIGHT) this.#remember(seq, op);
    return op;
  }

  #remember(seq: number, op: string): void {
    let number = this.#opNumbers.get(op);
    if (number === undefined) {
      if (this.#ops.length >= MAX_OPS) return;
      number = this.#ops.push(op) - 1;
      this.#opNumbers.set(op, number);
    }
    this.recorder.log.setOp(seq, number);
  }

  #source(seq: number) {
    return this.recorder.sources[this.recorder.log.source(seq)];
  }
}
