/**
 * Network packets as a pcapng file (draft-ietf-opsawg-pcapng), which Wireshark opens. Frames are as the
 * guest and its device exchange them: with checksums and segmentation left to do, where that was agreed.
 */
import { joined } from "../../packet/bytes.ts";
import { PACKET_HEADER } from "../../packet/header.ts";
import { NetFeature } from "../../virtio/devices/net-spec.ts";
import { bit, DeviceType, Feature } from "../../virtio/spec.ts";
import type { RequestReader } from "./reader.ts";
import { Moment, Outcome, Part } from "./request-log.ts";

const SECTION_HEADER = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;

const LINKTYPE_ETHERNET = 1;

/** Options of the blocks above. */
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;

/** Timestamps count nanoseconds: 10^-9 s. */
const NANOSECONDS = 9;

/** `epb_flags`: the direction as the guest sees it. */
const INBOUND = 1;
const OUTBOUND = 2;

/** Without VERSION_1 and without MRG_RXBUF the header has no `num_buffers` (virtio 5.1.6.1). */
const SHORT_HEADER = 10;
const NUM_BUFFERS = 10;

type Option = readonly [code: number, value: Uint8Array];

interface Frame {
  readonly bytes: Uint8Array;
  /** More than there are bytes, if not all were kept. */
  readonly length: number;
  /** µs since the record's beginning. */
  readonly at: number;
  readonly flags: number;
}

/** The file in pieces: of the network devices' requests among `seqs`, each packet with its time. */
export function* pcapng(reader: RequestReader, seqs: Iterable<number>): Generator<Uint8Array> {
  yield sectionHeader();
  const interfaces = new Map<number, number>();
  const merging = new Map<string, PartialFrame>();
  for (const seq of seqs) {
    if (reader.deviceType(seq) !== DeviceType.NET) continue;
    const frame = isTransmit(reader, seq) ? sent(reader, seq) : received(reader, seq, merging);
    if (frame === undefined) continue;
    const source = reader.recorder.log.source(seq);
    let number = interfaces.get(source);
    if (number === undefined) {
      number = interfaces.size;
      interfaces.set(source, number);
      yield interfaceDescription(reader, seq);
    }
    yield enhancedPacket(number, reader.recorder.startedAtMs, frame);
  }
}

/** Queues come in pairs, receive and transmit, and the last without a pair is for control (5.1.2). */
function isTransmit(reader: RequestReader, seq: number): boolean {
  return reader.queue(seq) % 2 === 1;
}

function sent(reader: RequestReader, seq: number): Frame | undefined {
  const header = headerSize(reader, seq);
  const bytes = reader.sample(seq, Part.READABLE);
  const length = reader.readable(seq) - header;
  if (bytes === undefined || bytes.length <= header) return undefined;
  return { bytes: bytes.subarray(header), length, at: reader.taken(seq), flags: OUTBOUND };
}

/** A packet that is spread over several buffers, of which some are still to come (5.1.6.4). */
interface PartialFrame {
  readonly parts: Uint8Array[];
  length: number;
  buffersLeft: number;
}

function received(
  reader: RequestReader,
  seq: number,
  merging: Map<string, PartialFrame>,
): Frame | undefined {
  // The control queue has something to read, a receive queue has not.
  if (reader.readable(seq) > 0 || reader.recorder.log.outcome(seq) !== Outcome.DONE)
    return undefined;
  const bytes = reader.sample(seq, Part.WRITTEN);
  if (bytes === undefined || bytes.length === 0) return undefined;
  const queue = `${reader.recorder.log.source(seq)}/${reader.queue(seq)}`;
  const frame = merging.get(queue) ?? begin(reader, seq, bytes);
  const isFirst = frame.buffersLeft === 0;
  if (isFirst) frame.buffersLeft = buffersOf(reader, seq, bytes);
  else frame.parts.push(bytes);
  frame.length += reader.written(seq);
  if (--frame.buffersLeft > 0) {
    merging.set(queue, frame);
    return undefined;
  }
  merging.delete(queue);
  const at = reader.time(seq, Moment.PUSH);
  const whole = joined(frame.parts);
  if (whole.length === 0) return undefined;
  return { bytes: whole, length: Math.max(frame.length, whole.length), at, flags: INBOUND };
}

function begin(reader: RequestReader, seq: number, bytes: Uint8Array): PartialFrame {
  const header = headerSize(reader, seq);
  return { parts: [bytes.subarray(header)], length: -header, buffersLeft: 0 };
}

function buffersOf(reader: RequestReader, seq: number, bytes: Uint8Array): number {
  const merges = (reader.recorder.log.features(seq) & bit(NetFeature.MRG_RXBUF)) !== 0n;
  if (!merges || bytes.length < PACKET_HEADER) return 1;
  return Math.max(1, bytes[NUM_BUFFERS] | (bytes[NUM_BUFFERS + 1] << 8));
}

function headerSize(reader: RequestReader, seq: number): number {
  const modern = bit(Feature.VERSION_1) | bit(NetFeature.MRG_RXBUF);
  return (reader.recorder.log.features(seq) & modern) !== 0n ? PACKET_HEADER : SHORT_HEADER;
}

function sectionHeader(): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // The section's length is not known beforehand: -1.
  view.setBigInt64(8, -1n, true);
  return block(SECTION_HEADER, body, [[SHB_USERAPPL, text("tabvisor")]]);
}

function interfaceDescription(reader: RequestReader, seq: number): Uint8Array {
  const body = new Uint8Array(8);
  // The snapshot length stays 0: there is no limit.
  new DataView(body.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
  return block(INTERFACE_DESCRIPTION, body, [
    [IF_NAME, text(reader.device(seq))],
    [IF_DESCRIPTION, text(`virtio-net in slot ${reader.slot(seq)}`)],
    [IF_TSRESOL, Uint8Array.of(NANOSECONDS)],
  ]);
}

function enhancedPacket(number: number, startedAtMs: number, frame: Frame): Uint8Array {
  const { bytes, length, at, flags } = frame;
  const body = new Uint8Array(20 + padded(bytes.length));
  const view = new DataView(body.buffer);
  const ns = BigInt(Math.round(startedAtMs * 1000)) * 1000n + BigInt(Math.round(at * 1000));
  view.setUint32(0, number, true);
  view.setUint32(4, Number(ns >> 32n), true);
  view.setUint32(8, Number(ns & 0xffff_ffffn), true);
  view.setUint32(12, bytes.length, true);
  view.setUint32(16, length, true);
  body.set(bytes, 20);
  return block(ENHANCED_PACKET, body, [[EPB_FLAGS, Uint8Array.of(flags, 0, 0, 0)]]);
}

/** A block: type, length, body, options with an end, and the length again. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const optionBytes = options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4);
  const length = 12 + body.length + optionBytes;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  let at = 8 + body.length;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

/** Bodies and options end at a multiple of 4 bytes. */
function padded(length: number): number {
  return (length + 3) & ~3;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
