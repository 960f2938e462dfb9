/** Packets of the socket device (virtio 5.10.6). */
import {
  HOST_CID,
  SEQ_EOM,
  VsockOp,
  VsockShutdown,
  VsockType,
} from "../../virtio/devices/vsock-packet.ts";
import type { Decoder, Payload } from "./field.ts";
import { bytesText, flags, hex, named, nameOf, namesOf, opOf, type Show } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const OPS = namesOf(VsockOp);
const TYPES = namesOf(VsockType);
const SHUTDOWN_FLAGS = flags({ RECEIVE: VsockShutdown.RECEIVE, SEND: VsockShutdown.SEND });
const DATA_FLAGS = flags({ EOM: SEQ_EOM });

const RX = 0;
const TX = 1;

export const decodeVsock: Decoder = (exchange, payload) => {
  const { queue, written } = exchange;
  payload.op = queue === RX ? "receive" : "event";
  if (queue === TX) readRequest(exchange, payload.fields, (reader) => readPacket(reader, payload));
  else if (queue === RX) readAnswer(exchange, payload.fields, (r) => readPacket(r, payload));
  else readAnswer(exchange, payload.fields, (reader) => reader.u32("id", named(EVENTS)));
  if (queue !== TX && written.length === 0) payload.summary = "an empty buffer";
};

/** Events (5.10.6.7). */
const EVENTS = namesOf({ TRANSPORT_RESET: 0 });

/** `struct virtio_vsock_hdr` and the data. */
function readPacket(reader: PayloadReader, payload: Payload): void {
  const from = reader.u64("src_cid", cidText);
  const to = reader.u64("dst_cid", cidText);
  const source = `${cidText(from)}:${reader.u32("src_port")}`;
  const target = `${cidText(to)}:${reader.u32("dst_port")}`;
  const length = reader.u32("len");
  const type = reader.u16("type", named(TYPES));
  const op = reader.u16("op", named(OPS));
  payload.op = opOf(OPS, op);
  payload.summary = `${nameOf(TYPES, type)} ${source} → ${target}`;
  if (length > 0) payload.summary += ` ${bytesText(length)}`;
  let show: Show = hex;
  if (op === VsockOp.SHUTDOWN) show = SHUTDOWN_FLAGS;
  else if (op === VsockOp.RW) show = DATA_FLAGS;
  reader.u32("flags", show);
  reader.u32("buf_alloc");
  reader.u32("fwd_cnt");
  reader.data("data", length);
}

function cidText(cid: bigint): string {
  return cid === BigInt(HOST_CID) ? "host" : String(cid);
}
