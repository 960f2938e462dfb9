/** Pages and statistics of the memory balloon (virtio 5.5.6). */
import {
  BalloonQueue,
  HintCommand,
  OPTIONAL_QUEUES,
  PAGE_BYTES,
} from "../../virtio/devices/balloon.ts";
import { STATISTICS_NAMES } from "../../virtio/devices/balloon-statistics.ts";
import { bit } from "../../virtio/spec.ts";
import type { Decoder, Exchange, Payload } from "./field.ts";
import { hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { type PayloadReader, readRequest } from "./reader.ts";

const QUEUES = namesOf(BalloonQueue);
const COMMANDS = namesOf({ STOP: HintCommand.STOP, DONE: HintCommand.DONE });
const STATISTICS = new Map(STATISTICS_NAMES.map((name, tag) => [tag, name]));

export const decodeBalloon: Decoder = (exchange, payload) => {
  const role = roleOf(exchange);
  payload.op = opOf(QUEUES, role);
  readRequest(exchange, payload.fields, (reader) => {
    if (role === BalloonQueue.STATISTICS) readStatistics(reader, payload);
    else if (role === BalloonQueue.FREE_PAGE) {
      payload.summary = `command ${nameOf(COMMANDS, reader.u32("cmd_id", named(COMMANDS)))}`;
    } else readPages(reader, payload);
    reader.rest("rest");
  });
  if (exchange.readable.length === 0) payload.summary = "the pages of the buffers themselves";
};

/**
 * Linux moves the queues up where one before them does not exist, as the device allows it to. A driver
 * that follows the specification has all of them, or none behind the missing one.
 */
function roleOf({ queue, features }: Exchange): number {
  if (queue <= BalloonQueue.DEFLATE) return queue;
  const present = OPTIONAL_QUEUES.filter(([, feature]) => (features & bit(feature)) !== 0n);
  return present[queue - BalloonQueue.STATISTICS]?.[0] ?? queue;
}

function readPages(reader: PayloadReader, payload: Payload): void {
  const count = Math.floor(reader.remaining / 4);
  payload.summary = `${count} pages`;
  reader.list(count, () => {
    reader.u32("page", (page) => `${page} (at ${hex(page * PAGE_BYTES)})`);
  });
}

function readStatistics(reader: PayloadReader, payload: Payload): void {
  let count = 0;
  reader.listToEnd(() =>
    reader.group("statistic", () => {
      const tag = reader.u16("tag", named(STATISTICS));
      const value = reader.u64("value");
      payload.summary = `${++count} values`;
      return `${STATISTICS.get(tag) ?? tag} ${value}`;
    }),
  );
}
