/** The fields that a filter of requests can ask for, one row each. */
import { OUTCOME_NAMES, type RequestReader } from "./reader.ts";

interface Row {
  readonly about: string;
}

/** Compared as numbers; a `us` field takes units of time. */
interface NumberField extends Row {
  readonly kind: "number" | "us";
  readonly read: (reader: RequestReader, seq: number) => number;
}

/** `:` finds a part of any of the texts, `=` a whole one, without regard to case. */
interface TextField extends Row {
  readonly kind: "text";
  readonly read: (reader: RequestReader, seq: number) => readonly string[];
}

/** One of a few words. */
interface ChoiceField extends Row {
  readonly kind: "choice";
  readonly choices: readonly string[];
  readonly is: (reader: RequestReader, seq: number, choice: string) => boolean;
}

export type FilterField = NumberField | TextField | ChoiceField;

const IS = [...OUTCOME_NAMES, "suppressed"];

export const FIELDS: Readonly<Record<string, FilterField>> = {
  dev: {
    kind: "text",
    about: "type or name of the device: dev:block, dev:blk0",
    read: (reader, seq) => [reader.typeName(seq), reader.device(seq)],
  },
  op: { kind: "text", about: "operation: op:write", read: (reader, seq) => [reader.op(seq)] },
  text: {
    kind: "text",
    about: "what the request says: text:syn",
    read: (reader, seq) => [reader.decode(seq).summary],
  },
  slot: {
    kind: "number",
    about: "slot of the device: slot=5",
    read: (reader, seq) => reader.slot(seq),
  },
  queue: {
    kind: "number",
    about: "queue of the device: queue:0",
    read: (reader, seq) => reader.queue(seq),
  },
  chain: { kind: "number", about: "chain id", read: (reader, seq) => reader.chain(seq) },
  seq: { kind: "number", about: "number in the record", read: (_reader, seq) => seq },
  len: {
    kind: "number",
    about: "bytes of its buffers: len>4096",
    read: (reader, seq) => reader.bytes(seq),
  },
  readable: {
    kind: "number",
    about: "bytes from the driver",
    read: (reader, seq) => reader.readable(seq),
  },
  writable: {
    kind: "number",
    about: "bytes of room for the answer",
    read: (reader, seq) => reader.writable(seq),
  },
  written: {
    kind: "number",
    about: "bytes that the device wrote",
    read: (reader, seq) => reader.written(seq),
  },
  time: {
    kind: "us",
    about: "when it was taken, since the record began: time>2s",
    read: (reader, seq) => reader.taken(seq),
  },
  latency: {
    kind: "us",
    about: "from kick to claim: latency>100us",
    read: (reader, seq) => reader.latency(seq),
  },
  wait: { kind: "us", about: "kick to pop", read: (reader, seq) => reader.phase(seq, "wait") },
  device: { kind: "us", about: "pop to push", read: (reader, seq) => reader.phase(seq, "device") },
  irq: { kind: "us", about: "push to claim", read: (reader, seq) => reader.phase(seq, "irq") },
  ok: {
    kind: "choice",
    about: "ok:no finds errors, malformed chains and what a reset dropped",
    choices: ["yes", "no"],
    is: (reader, seq, choice) => (choice === "yes") === isOk(reader, seq),
  },
  is: {
    kind: "choice",
    about: IS.join(", "),
    choices: IS,
    is: (reader, seq, choice) =>
      choice === "suppressed" ? reader.isSuppressed(seq) : reader.outcome(seq) === choice,
  },
};

const NOT_OK: readonly string[] = ["failed", "malformed", "dropped"];

function isOk(reader: RequestReader, seq: number): boolean {
  return !NOT_OK.includes(reader.outcome(seq));
}
