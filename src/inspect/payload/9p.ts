/** Messages of 9P2000.L (Linux's `net/9p`): `size[4] type[1] tag[2]` and then fields. */
import { HEADER_SIZE, Message, Qid } from "../../virtio/devices/9p/protocol.ts";
import { type MessageField, NINEP_MESSAGES } from "./9p-messages.ts";
import { errnoName, showErrno } from "./errno.ts";
import type { Decoder } from "./field.ts";
import { decimal, hex, named, namesOf, octal, opOf, type Show } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest, summarize } from "./reader.ts";

const REQUEST_NAMES = [...namesOf(Message)].filter(([type]) => type !== Message.RLERROR);

const TYPES: ReadonlyMap<number, string> = new Map([
  [Message.RLERROR, "RLERROR"],
  ...REQUEST_NAMES,
  ...REQUEST_NAMES.map(([type, name]) => [type + 1, `R${name.slice(1)}`] as const),
]);

const QID_TYPES = named(namesOf(Qid), hex);

/** Fields that are no plain numbers. */
const SHOWN: Readonly<Record<string, Show>> = {
  mode: octal,
  flags: octal,
  valid: hex,
  ecode: showErrno,
};

/** Fields that a line has room for. */
const SUMMARY_FIELDS = 5;

export const decodeNineP: Decoder = (exchange, payload) => {
  readRequest(exchange, payload.fields, (reader) => {
    readMessage(reader, (type, summary) => {
      payload.op = opOf(TYPES, type);
      payload.summary = summary;
    });
  });
  const request = payload.summary;
  readAnswer(exchange, payload.fields, (reader) => {
    readMessage(reader, (type, summary, first) => {
      if (type === Message.RLERROR) payload.summary = `${request}: ${errnoName(first)}`;
      else payload.summary = summary === "" ? request : `${request} → ${summary}`;
    });
  });
};

/** Called again after each field: the type, all so far in one line, and the number read first. */
type Tell = (type: number, summary: string, first: number) => void;

function readMessage(reader: PayloadReader, tell: Tell): void {
  const size = reader.u32("size");
  const type = reader.u8("type", named(TYPES));
  reader.u16("tag");
  tell(type, "", 0);
  reader.within(Math.max(0, size - HEADER_SIZE), () => {
    const said: string[] = [];
    let first = 0;
    let last = 0;
    for (const field of NINEP_MESSAGES.get(type) ?? []) {
      const { value, text } = readField(reader, field, last);
      if (said.length === 0) first = value;
      last = value;
      if (said.length < SUMMARY_FIELDS && text !== "") said.push(text);
      tell(type, said.join(" "), first);
    }
    reader.rest("rest");
  });
}

/** What a field is worth as a number for those after it, and what a line says of it. */
interface Value {
  readonly value: number;
  readonly text: string;
}

/** @param before the number before it, which counts it */
function readField(reader: PayloadReader, { name, kind }: MessageField, before: number): Value {
  if (kind.endsWith("*")) {
    const texts: string[] = [];
    reader.list(before, () => {
      texts.push(readField(reader, { name, kind: kind.slice(0, -1) }, 0).text);
    });
    return { value: 0, text: texts.join(" ") };
  }
  const show = SHOWN[name] ?? decimal;
  switch (kind) {
    case "1":
      return number(name, reader.u8(name, show), show);
    case "2":
      return number(name, reader.u16(name, show), show);
    case "4":
      return number(name, reader.u32(name, show), show);
    case "8":
      return { value: 0, text: `${name} ${reader.u64(name)}` };
    case "s":
      return { value: 0, text: JSON.stringify(reader.text(name, reader.u16("length"))) };
    case "count":
      reader.bytes(name, Math.min(before, reader.remaining), summarize);
      return { value: 0, text: "" };
    default:
      return readQid(reader, name);
  }
}

function number(name: string, value: number, show: Show): Value {
  return { value, text: `${name} ${show(value)}` };
}

function readQid(reader: PayloadReader, name: string): Value {
  let text = "";
  reader.group(name, () => {
    const type = reader.u8("type", QID_TYPES);
    reader.u32("version");
    text = `${name} ${reader.u64("path")}`;
    return `${QID_TYPES(type)} ${text}`;
  });
  return { value: 0, text };
}
