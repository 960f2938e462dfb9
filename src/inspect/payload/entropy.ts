/** Requests for random bytes (virtio 5.4.6). */
import type { Decoder } from "./field.ts";
import { bytesText } from "./names.ts";
import { readAnswer } from "./reader.ts";

export const decodeEntropy: Decoder = (exchange, payload) => {
  const { written } = exchange;
  payload.op = "fill";
  payload.summary = written.length === 0 ? "an empty buffer" : bytesText(written.length);
  readAnswer(exchange, payload.fields, (reader) => reader.rest("random bytes"));
};
