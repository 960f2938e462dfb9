/** What requests to devices say: one decoder for each device type, each a file of this folder. */
import { DeviceType } from "../../virtio/spec.ts";
import { decodeNineP } from "./9p.ts";
import { decodeBalloon } from "./balloon.ts";
import { decodeBlock } from "./block.ts";
import { decodeConsole } from "./console.ts";
import { decodeCrypto } from "./crypto.ts";
import { decodeEntropy } from "./entropy.ts";
import type { Decoder, Exchange, Payload } from "./field.ts";
import { decodeFs } from "./fs.ts";
import { decodeGpu } from "./gpu.ts";
import { decodeInput } from "./input.ts";
import { decodeMem } from "./mem.ts";
import { bytesText } from "./names.ts";
import { decodeNet } from "./net.ts";
import { decodePmem } from "./pmem.ts";
import { readAnswer, readRequest } from "./reader.ts";
import { decodeRtc } from "./rtc.ts";
import { decodeSound } from "./sound.ts";
import { decodeVsock } from "./vsock.ts";

export type { Field } from "./field.ts";

/** Characters of a summary: it is one line, and a directory has many names. */
const SUMMARY_MAX = 300;

const DECODERS: ReadonlyMap<number, Decoder> = new Map([
  [DeviceType.NET, decodeNet],
  [DeviceType.BLOCK, decodeBlock],
  [DeviceType.CONSOLE, decodeConsole],
  [DeviceType.ENTROPY, decodeEntropy],
  [DeviceType.BALLOON, decodeBalloon],
  [DeviceType.NINE_P, decodeNineP],
  [DeviceType.GPU, decodeGpu],
  [DeviceType.RTC, decodeRtc],
  [DeviceType.INPUT, decodeInput],
  [DeviceType.VSOCK, decodeVsock],
  [DeviceType.CRYPTO, decodeCrypto],
  [DeviceType.MEM, decodeMem],
  [DeviceType.SOUND, decodeSound],
  [DeviceType.FS, decodeFs],
  [DeviceType.PMEM, decodePmem],
]);

/**
 * Decodes what is known of a request to a device of `deviceType`. `readable` is what the driver wrote
 * for the device, `written` what the device wrote so far: nothing while the request is in flight.
 * Either may be cut off, or be anything a hostile guest makes of it: what cannot be read has a note.
 */
export function decodePayload(
  deviceType: number,
  queue: number,
  features: bigint,
  readable: Uint8Array,
  written: Uint8Array,
): Payload {
  const exchange = { queue, features, readable, written };
  const payload: Payload = { op: "", summary: "", fields: [] };
  (DECODERS.get(deviceType) ?? decodeBytes)(exchange, payload);
  if (payload.op === "") payload.op = "request";
  if (payload.summary.length > SUMMARY_MAX) {
    payload.summary = `${payload.summary.slice(0, SUMMARY_MAX)}…`;
  }
  return payload;
}

/**
 * Bytes of the writable part that are a device's answer, of `usedLength` that it says it wrote. The status of
 * a block request is behind all its data, that too which was not written (5.2.6).
 */
export function answerLength(
  deviceType: number,
  writableLength: number,
  usedLength: number,
): number {
  if (deviceType === DeviceType.BLOCK) return writableLength;
  return Math.min(usedLength, writableLength);
}

/** A device that nothing is known of. */
function decodeBytes(exchange: Exchange, payload: Payload): void {
  const { readable, written } = exchange;
  payload.op = "request";
  payload.summary = `${bytesText(readable.length)} out, ${bytesText(written.length)} in`;
  readRequest(exchange, payload.fields, (reader) => reader.rest("readable"));
  readAnswer(exchange, payload.fields, (reader) => reader.rest("written"));
}
