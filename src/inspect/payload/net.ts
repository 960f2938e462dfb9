/** Packets and commands of the network device (virtio 5.1.6). */
import { GSO_ECN, GsoType, HeaderFlag } from "../../packet/header.ts";
import { NetFeature } from "../../virtio/devices/net-spec.ts";
import { bits, Feature } from "../../virtio/spec.ts";
import { readFrame } from "./ethernet.ts";
import type { Decoder } from "./field.ts";
import { flags, hex, named, nameOf, namesOf } from "./names.ts";
import { decodeControl } from "./net-control.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const GSO_TYPES = namesOf(GsoType);

/** With one of them the header has `num_buffers` at its end. */
const LONG_HEADER = bits(Feature.VERSION_1, NetFeature.MRG_RXBUF);

export const decodeNet: Decoder = (exchange, payload) => {
  const { queue, features, readable } = exchange;
  const isReceive = queue % 2 === 0;
  // How many pairs are before the control queue cannot be seen, but nobody else is told anything there.
  if (isReceive && readable.length > 0) {
    decodeControl(exchange, payload);
    return;
  }
  payload.op = isReceive ? "receive" : "transmit";
  const readPart = isReceive ? readAnswer : readRequest;
  const isLong = (features & LONG_HEADER) !== 0n;
  readPart(exchange, payload.fields, (reader) => {
    reader.group("virtio_net_hdr", () => readHeader(reader, isLong));
    readFrame(reader, (summary) => {
      payload.summary = summary;
    });
  });
  if (isReceive && exchange.written.length === 0) payload.summary = "an empty buffer";
};

/** `struct virtio_net_hdr`. */
function readHeader(reader: PayloadReader, isLong: boolean): string {
  const set = reader.u8("flags", flags(HeaderFlag));
  let kind = "";
  reader.u8("gso_type", (value) => {
    kind = nameOf(GSO_TYPES, value & ~GSO_ECN, hex);
    const type = named(GSO_TYPES)(value & ~GSO_ECN);
    return (value & GSO_ECN) === 0 ? type : `${type} with ECN`;
  });
  reader.u16("hdr_len");
  const size = reader.u16("gso_size");
  reader.u16("csum_start");
  reader.u16("csum_offset");
  if (isLong) reader.u16("num_buffers");
  const large = kind === GSO_TYPES.get(GsoType.NONE) ? "" : `${kind} in segments of ${size}`;
  const open = (set & HeaderFlag.NEEDS_CSUM) !== 0 ? "checksum to be completed" : "";
  return [large, open].filter((text) => text !== "").join(", ") || "plain frame";
}
