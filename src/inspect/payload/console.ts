/** Text and control messages of the console (virtio 5.3.6). */
import { CONTROL_RX, CONTROL_TX, ConsoleFeature } from "../../virtio/devices/console.ts";
import { ControlEvent } from "../../virtio/devices/console-control.ts";
import { bit } from "../../virtio/spec.ts";
import type { Decoder, Payload } from "./field.ts";
import { bytesText, named, nameOf, namesOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const EVENTS = namesOf(ControlEvent);

export const decodeConsole: Decoder = (exchange, payload) => {
  const { queue, features, readable, written } = exchange;
  const isReceive = queue % 2 === 0;
  const readPart = isReceive ? readAnswer : readRequest;
  const isMultiport = (features & bit(ConsoleFeature.MULTIPORT)) !== 0n;
  if (isMultiport && (queue === CONTROL_RX || queue === CONTROL_TX)) {
    payload.op = "control";
    readPart(exchange, payload.fields, (reader) => readControl(reader, payload));
    return;
  }
  payload.op = isReceive ? "input" : "output";
  const length = isReceive ? written.length : readable.length;
  payload.summary = isReceive && length === 0 ? "an empty buffer" : bytesText(length);
  readPart(exchange, payload.fields, (reader) => {
    payload.summary = `${bytesText(length)} ${JSON.stringify(reader.text("text", length))}`;
  });
};

/** `struct virtio_console_control`. */
function readControl(reader: PayloadReader, payload: Payload): void {
  const id = reader.u32("id");
  const event = reader.u16("event", named(EVENTS));
  payload.summary = `port ${id} ${nameOf(EVENTS, event)}`;
  const value = reader.u16("value");
  if (event === ControlEvent.RESIZE) {
    const cols = reader.u16("cols");
    payload.summary += ` ${cols} × ${reader.u16("rows")}`;
  } else if (event === ControlEvent.PORT_NAME) {
    payload.summary += ` ${JSON.stringify(reader.text("name", reader.remaining))}`;
  } else payload.summary += ` ${value}`;
  reader.rest("rest");
}
