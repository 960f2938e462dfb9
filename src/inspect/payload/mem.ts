/** Requests of the memory device (virtio 5.15.6). */
import { WINDOW_BLOCK_BYTES } from "../../memory/memory-window.ts";
import { MemRequest, MemResponse, MemState } from "../../virtio/devices/mem.ts";
import type { Decoder } from "./field.ts";
import { hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { readAnswer, readRequest } from "./reader.ts";

const REQUESTS = namesOf(MemRequest);
const RESPONSES = namesOf(MemResponse);
const STATES = namesOf(MemState);

/** Between the type and what follows it, in requests and responses. */
const PADDING = 6;

export const decodeMem: Decoder = (exchange, payload) => {
  let type = -1;
  readRequest(exchange, payload.fields, (reader) => {
    type = reader.u16("type", named(REQUESTS));
    payload.op = opOf(REQUESTS, type);
    if (type === MemRequest.UNPLUG_ALL) return;
    reader.skip(PADDING);
    const gpa = reader.hex64("addr");
    const blocks = reader.u16(
      "nb_blocks",
      (count) => `${count} (${count * WINDOW_BLOCK_BYTES} bytes)`,
    );
    payload.summary = `${blocks} blocks at ${hex(gpa)}`;
  });
  readAnswer(exchange, payload.fields, (reader) => {
    const response = reader.u16("type", named(RESPONSES));
    payload.summary = `${payload.summary} ${nameOf(RESPONSES, response)}`.trimStart();
    if (type !== MemRequest.STATE || response !== MemResponse.ACK) return;
    reader.skip(PADDING);
    payload.summary += ` ${nameOf(STATES, reader.u16("state", named(STATES)))}`;
  });
};
