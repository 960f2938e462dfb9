/** Messages of the sound device (virtio 5.14.6). */
import {
  Direction,
  RATES,
  SAMPLE_FORMATS,
  SOUND_STATUS_SIZE,
  SoundCode,
  SoundStatus,
} from "../../virtio/devices/sound-protocol.ts";
import type { Decoder, Exchange, Payload } from "./field.ts";
import { bytesText, hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const CODES = namesOf(SoundCode);
const STATUSES = namesOf(SoundStatus);
const DIRECTIONS = namesOf(Direction);

const QUERIES: readonly number[] = [SoundCode.JACK_INFO, SoundCode.PCM_INFO, SoundCode.CHMAP_INFO];

const FORMATS = valuesOf(SAMPLE_FORMATS, "");
const RATE_NAMES = valuesOf(RATES, " Hz");

/** Queues (5.14.2). */
const CONTROL = 0;
const EVENT = 1;
const TX = 2;

export const decodeSound: Decoder = (exchange, payload) => {
  if (exchange.queue === CONTROL) decodeControl(exchange, payload);
  else if (exchange.queue === EVENT) decodeEvent(exchange, payload);
  else decodeTransfer(exchange, payload);
};

function decodeControl(exchange: Exchange, payload: Payload): void {
  let items = 0;
  readRequest(exchange, payload.fields, (reader) => {
    const code = reader.u32("code", named(CODES, hex));
    payload.op = opOf(CODES, code);
    if (QUERIES.includes(code)) {
      const start = reader.u32("start_id");
      items = reader.u32("count");
      reader.u32("size");
      payload.summary = `${items} from ${start} on`;
    } else {
      payload.summary = `stream ${reader.u32("stream_id")}`;
      if (code === SoundCode.PCM_SET_PARAMS) payload.summary += ` ${readParams(reader)}`;
    }
    reader.rest("rest");
  });
  readAnswer(exchange, payload.fields, (reader) => {
    const status = reader.u32("status", named(STATUSES, hex));
    if (status !== SoundStatus.OK) payload.summary += `: ${nameOf(STATUSES, status, hex)}`;
    reader.rest(items > 0 ? "info" : "rest");
  });
}

/** `struct virtio_snd_pcm_set_params`. */
function readParams(reader: PayloadReader): string {
  const buffer = reader.u32("buffer_bytes");
  const period = reader.u32("period_bytes");
  reader.u32("features", hex);
  const channels = reader.u8("channels");
  const format = reader.u8("format", named(FORMATS));
  const rate = reader.u8("rate", named(RATE_NAMES));
  reader.u8("padding");
  const samples = `${channels} × ${nameOf(FORMATS, format)} at ${nameOf(RATE_NAMES, rate)}`;
  return `${samples}, ${bytesText(buffer)} in periods of ${period}`;
}

function decodeEvent(exchange: Exchange, payload: Payload): void {
  payload.op = "event";
  if (exchange.written.length === 0) payload.summary = "an empty buffer";
  readAnswer(exchange, payload.fields, (reader) => {
    const code = reader.u32("code", named(CODES, hex));
    payload.op = opOf(CODES, code);
    payload.summary = String(reader.u32("data"));
  });
}

/** `struct virtio_snd_pcm_xfer`, samples either way, and `struct virtio_snd_pcm_status`. */
function decodeTransfer(exchange: Exchange, payload: Payload): void {
  const { queue, written, readable } = exchange;
  payload.op = queue === TX ? "play" : "record";
  const direction = nameOf(DIRECTIONS, queue - TX);
  readRequest(exchange, payload.fields, (reader) => {
    payload.summary = `${direction} stream ${reader.u32("stream_id")}`;
    const samples = reader.rest("samples");
    if (samples > 0) payload.summary += ` ${bytesText(samples)}`;
  });
  if (queue !== TX && written.length === 0 && readable.length > 0)
    payload.summary += ", no samples yet";
  readAnswer(exchange, payload.fields, (reader) => {
    const samples = written.length - SOUND_STATUS_SIZE;
    if (samples > 0) {
      reader.data("samples", samples);
      payload.summary += ` ${bytesText(samples)}`;
    }
    const status = reader.u32("status", named(STATUSES, hex));
    reader.u32("latency_bytes");
    if (status !== SoundStatus.OK) payload.summary += `: ${nameOf(STATUSES, status, hex)}`;
  });
}

function valuesOf(
  table: { readonly [id: number]: string | number | undefined },
  unit: string,
): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([id, value]) => [Number(id), `${value}${unit}`]));
}
