/** Requests of the block device (virtio 5.2.6). */
import { SECTOR_SIZE } from "../../virtio/devices/block-backend.ts";
import {
  BLOCK_HEADER_SIZE,
  BLOCK_ID_SIZE,
  BLOCK_SEGMENT_UNMAP,
  BlockStatus,
  BlockType,
} from "../../virtio/devices/block-request.ts";
import type { Decoder } from "./field.ts";
import { bytesText, flags, named, nameOf, namesOf, opOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const TYPES = namesOf(BlockType);
const STATUSES = namesOf(BlockStatus);

/** What everybody calls them. */
const OP_NAMES = new Map<number, string>([
  [BlockType.IN, "read"],
  [BlockType.OUT, "write"],
]);

/** Those with segments behind the header, and no sector in it. */
const WITH_SEGMENTS: readonly number[] = [
  BlockType.DISCARD,
  BlockType.WRITE_ZEROES,
  BlockType.SECURE_ERASE,
];

/** Those of `BlockType.IN` and `OUT`. */
const TRANSFERS: readonly number[] = [BlockType.IN, BlockType.OUT];

export const decodeBlock: Decoder = (exchange, payload) => {
  const { readable, written } = exchange;
  let type = -1;
  readRequest(exchange, payload.fields, (reader) => {
    type = reader.u32("type", named(TYPES));
    payload.op = OP_NAMES.get(type) ?? opOf(TYPES, type);
    // Linux has a field of its own there.
    if (reader.u32("reserved") !== 0) reader.note("Linux's ioprio");
    const sector = reader.u64("sector");
    if (TRANSFERS.includes(type)) {
      reader.note(`byte ${sector * BigInt(SECTOR_SIZE)} of the disk`);
      const data =
        type === BlockType.OUT ? readable.length - BLOCK_HEADER_SIZE : written.length - 1;
      payload.summary = `sector ${sector}`;
      if (data > 0 && data % SECTOR_SIZE === 0) payload.summary += `, ${bytesText(data)}`;
    }
    if (WITH_SEGMENTS.includes(type)) readSegments(reader);
    else reader.rest("data");
  });
  readAnswer(exchange, payload.fields, (reader) => {
    const data = written.length - 1;
    // What was cut off has no status at its end: data is whole sectors, and so it shows.
    const isWhole = type !== BlockType.IN || data % SECTOR_SIZE === 0;
    if (type === BlockType.GET_ID) reader.text("id", Math.min(data, BLOCK_ID_SIZE));
    else if (type === BlockType.GET_LIFETIME && data > 0) readLifetime(reader);
    else reader.data("data", isWhole ? data : written.length);
    if (!isWhole) return;
    const status = reader.u8("status", named(STATUSES));
    if (status === BlockStatus.OK) return;
    payload.summary = `${payload.summary} ${nameOf(STATUSES, status)}`.trimStart();
  });
};

/** `struct virtio_blk_discard_write_zeroes`, again and again. */
function readSegments(reader: PayloadReader): void {
  reader.listToEnd((index) =>
    reader.group(`segment ${index}`, () => {
      const sector = reader.u64("sector");
      const count = reader.u32("num_sectors");
      reader.u32("flags", flags({ UNMAP: BLOCK_SEGMENT_UNMAP }));
      return `${count} sectors from ${sector} on`;
    }),
  );
}

/** `struct virtio_blk_lifetime`. */
function readLifetime(reader: PayloadReader): void {
  reader.u16("pre_eol_info");
  reader.u16("device_lifetime_est_typ_a");
  reader.u16("device_lifetime_est_typ_b");
}
