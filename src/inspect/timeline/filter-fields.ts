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

type Numbers = NumberField["read"];
type Texts = TextField["read"];

const number = (about: string, read: Numbers): NumberField => ({ kind: "number", about, read });
const us = (about: string, read: Numbers): NumberField => ({ kind: "us", about, read });
const text = (about: string, read: Texts): TextField => ({ kind: "text", about, read });

export const FIELDS: Readonly<Record<string, FilterField>> = {
  dev: text("type or name of the device: dev:block, dev:blk0", (reader, seq) => [
    reader.typeName(seq),
    reader.device(seq),
  ]),
  op: text("operation: op:write", (reader, seq) => [reader.op(seq)]),
  text: text("what the request says: text:syn", (reader, seq) => [reader.decode(seq).summary]),
  slot: number("slot of the device: slot=5", (reader, seq) => reader.slot(seq)),
  queue: number("queue of the device: queue:0", (reader, seq) => reader.queue(seq)),
  chain: number("chain id", (reader, seq) => reader.chain(seq)),
  seq: number("number in the record", (_reader, seq) => seq),
  len: number("bytes of its buffers: len>4096", (reader, seq) => reader.bytes(seq)),
  readable: number("bytes from the driver", (reader, seq) => reader.readable(seq)),
  writable: number("bytes of room for the answer", (reader, seq) => reader.writable(seq)),
  written: number("bytes that the device wrote", (reader, seq) => reader.written(seq)),
  time: us("when it was taken, since the record began: time>2s", (reader, seq) =>
    reader.taken(seq),
  ),
  latency: us("from kick to claim: latency>100us", (reader, seq) => reader.latency(seq)),
  wait: us("kick to pop", (reader, seq) => reader.phase(seq, "wait")),
  device: us("pop to push", (reader, seq) => reader.phase(seq, "device")),
  irq: us("push to claim", (reader, seq) => reader.phase(seq, "irq")),
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
