/** Events of input devices (virtio 5.8.6), in Linux's terms. */
import {
  Absolute,
  Button,
  EventType,
  KEY_CODES,
  Led,
  Relative,
} from "../../virtio/devices/input-codes.ts";
import type { Decoder } from "./field.ts";
import { named, nameOf, namesOf } from "./names.ts";
import { readAnswer, readRequest } from "./reader.ts";

const TYPES = namesOf(EventType);

const KEYS = new Map<number, string>(
  [...namesOf(Button)].map(([code, name]) => [code, `BTN_${name}`]),
);
for (const [name, code] of Object.entries(KEY_CODES)) if (code !== undefined) KEYS.set(code, name);

/** What the codes of each type are called. */
const CODES: ReadonlyMap<number, ReadonlyMap<number, string>> = new Map([
  [EventType.SYN, new Map([[0, "REPORT"]])],
  [EventType.KEY, KEYS],
  [EventType.REL, namesOf({ X: 0, Y: 1, ...Relative })],
  [EventType.ABS, namesOf(Absolute)],
  [EventType.LED, namesOf(Led)],
  [
    EventType.REP,
    new Map([
      [0, "DELAY"],
      [1, "PERIOD"],
    ]),
  ],
]);

/** Values of a key (Linux's input.h). */
const KEY_VALUES = new Map([
  [0, "up"],
  [1, "down"],
  [2, "repeat"],
]);

const EVENT = 0;

export const decodeInput: Decoder = (exchange, payload) => {
  const isEvent = exchange.queue === EVENT;
  payload.op = isEvent ? "event" : "status";
  if (isEvent && exchange.written.length === 0) payload.summary = "an empty buffer";
  const summaries: string[] = [];
  (isEvent ? readAnswer : readRequest)(exchange, payload.fields, (reader) => {
    reader.listToEnd(() =>
      reader.group("event", () => {
        const type = reader.u16("type", named(TYPES));
        const codes = CODES.get(type) ?? new Map<number, string>();
        const code = reader.u16("code", named(codes));
        const values = type === EventType.KEY ? KEY_VALUES : new Map<number, string>();
        const shown = nameOf(values, reader.i32("value", named(values)));
        summaries.push(`${nameOf(TYPES, type)} ${nameOf(codes, code)} ${shown}`);
        payload.summary = summaries.join(", ");
        return summaries.at(-1) ?? "";
      }),
    );
  });
};
