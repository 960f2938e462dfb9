/** Commands of the graphics device (virtio 5.7.6). */
import { PIXEL_FORMATS } from "../../virtio/devices/gpu-format.ts";
import {
  GPU_FLAG_FENCE,
  GPU_FLAG_INFO_RING_IDX,
  GPU_SCANOUTS_MAX,
  GpuCommand,
  GpuResponse,
} from "../../virtio/devices/gpu-protocol.ts";
import type { Decoder } from "./field.ts";
import { bytesText, flags, hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const COMMANDS = namesOf(GpuCommand);
const RESPONSES = namesOf(GpuResponse);
const FLAGS = flags({ FENCE: GPU_FLAG_FENCE, INFO_RING_IDX: GPU_FLAG_INFO_RING_IDX });

const FORMATS = new Map(
  Object.entries(PIXEL_FORMATS).map(([id, format]) => [Number(id), format?.name ?? ""]),
);

/** Responses from here on are errors. */
const FIRST_ERROR = GpuResponse.ERR_UNSPEC;

export const decodeGpu: Decoder = (exchange, payload) => {
  readRequest(exchange, payload.fields, (reader) => {
    const command = reader.u32("type", named(COMMANDS, hex));
    payload.op = opOf(COMMANDS, command);
    readHeaderRest(reader);
    payload.summary = BODIES.get(command)?.(reader) ?? "";
    reader.rest("rest");
  });
  readAnswer(exchange, payload.fields, (reader) => {
    const response = reader.u32("type", named(RESPONSES, hex));
    if (response >= FIRST_ERROR) {
      payload.summary = `${payload.summary} ${nameOf(RESPONSES, response, hex)}`.trimStart();
    }
    readHeaderRest(reader);
    if (response === GpuResponse.OK_DISPLAY_INFO) readDisplays(reader);
    if (response === GpuResponse.OK_EDID) reader.data("edid", readEdidSize(reader));
  });
};

/** `struct virtio_gpu_ctrl_hdr` behind its type. */
function readHeaderRest(reader: PayloadReader): void {
  reader.u32("flags", FLAGS);
  reader.u64("fence_id");
  reader.u32("ctx_id");
  reader.u8("ring_idx");
  reader.skip(3);
}

/** What follows the header of each command; returns it in short. */
const BODIES: ReadonlyMap<number, (reader: PayloadReader) => string> = new Map([
  [GpuCommand.RESOURCE_CREATE_2D, readCreate],
  [GpuCommand.RESOURCE_UNREF, readResource],
  [GpuCommand.SET_SCANOUT, readSetScanout],
  [GpuCommand.RESOURCE_FLUSH, readFlush],
  [GpuCommand.TRANSFER_TO_HOST_2D, readTransfer],
  [GpuCommand.RESOURCE_ATTACH_BACKING, readBacking],
  [GpuCommand.RESOURCE_DETACH_BACKING, readResource],
  [GpuCommand.GET_EDID, readGetEdid],
  [GpuCommand.UPDATE_CURSOR, readCursor],
  [GpuCommand.MOVE_CURSOR, readCursor],
]);

function readResource(reader: PayloadReader): string {
  return `resource ${reader.u32("resource_id")}`;
}

function readCreate(reader: PayloadReader): string {
  const resource = readResource(reader);
  const format = nameOf(FORMATS, reader.u32("format", named(FORMATS)));
  const width = reader.u32("width");
  return `${resource} ${width} × ${reader.u32("height")} ${format}`;
}

function readSetScanout(reader: PayloadReader): string {
  const area = readRectangle(reader);
  return `scanout ${reader.u32("scanout_id")} of ${readResource(reader)} ${area}`;
}

function readFlush(reader: PayloadReader): string {
  const area = readRectangle(reader);
  return `${readResource(reader)} ${area}`;
}

function readTransfer(reader: PayloadReader): string {
  const area = readRectangle(reader);
  const offset = reader.u64("offset");
  return `${readResource(reader)} ${area} from byte ${offset} on`;
}

/** `struct virtio_gpu_mem_entry`, as many as are there of those that it claims. */
function readBacking(reader: PayloadReader): string {
  const resource = readResource(reader);
  const entries = reader.u32("nr_entries");
  reader.listToEnd((index) =>
    reader.group(`entry ${index}`, () => {
      const gpa = reader.hex64("addr");
      const length = reader.u32("length");
      reader.u32("padding");
      return `${hex(gpa)} ${bytesText(length)}`;
    }),
  );
  return `${resource} ${entries} entries`;
}

function readGetEdid(reader: PayloadReader): string {
  return `scanout ${reader.u32("scanout")}`;
}

function readCursor(reader: PayloadReader): string {
  let place = "";
  reader.group("pos", () => {
    const scanout = reader.u32("scanout_id");
    const x = reader.i32("x");
    place = `(${x}, ${reader.i32("y")}) of scanout ${scanout}`;
    reader.u32("padding");
    return place;
  });
  const resource = readResource(reader);
  reader.u32("hot_x");
  reader.u32("hot_y");
  return `${resource} at ${place}`;
}

/** `struct virtio_gpu_rect`. */
function readRectangle(reader: PayloadReader): string {
  let text = "";
  reader.group("r", () => {
    const x = reader.u32("x");
    const y = reader.u32("y");
    const width = reader.u32("width");
    text = `${width} × ${reader.u32("height")} at (${x}, ${y})`;
    return text;
  });
  return text;
}

/** `struct virtio_gpu_resp_display_info`. */
function readDisplays(reader: PayloadReader): void {
  reader.list(GPU_SCANOUTS_MAX, (index) =>
    reader.group(`scanout ${index}`, () => {
      const area = readRectangle(reader);
      const isEnabled = reader.u32("enabled") !== 0;
      reader.u32("flags", hex);
      return isEnabled ? area : "off";
    }),
  );
}

function readEdidSize(reader: PayloadReader): number {
  const size = reader.u32("size");
  reader.u32("padding");
  return size;
}
