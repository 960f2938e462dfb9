/**
 * Everything that an inspector can ask of a machine, or do to it. A call takes and gives what can be
 * cloned, and throws an `Error` whose message is for the person who asked. Asking changes nothing.
 */
import { deviceCalls } from "./devices.ts";
import { interruptCalls } from "./interrupts.ts";
import { queueCalls } from "./queues.ts";
import type { Subject } from "./subject.ts";
import { timelineCalls } from "./timeline.ts";

export const createCalls = (subject: Subject) => ({
  ...deviceCalls(subject),
  ...timelineCalls(subject),
  ...interruptCalls(subject),
  ...queueCalls(subject),
});

export type { ConfigFieldView } from "./config-fields.ts";
export type { DeviceView, FeatureView, SlotView, StatusView } from "./devices.ts";
export type { HartWires, InterruptsView, SpiView } from "./interrupts.ts";
export type { Field } from "./payload/payload.ts";
export type { DescriptorView } from "./queue/descriptors.ts";
export type { ChainDetail, ChainRow, QueueView } from "./queue/queue-view.ts";
export type { PlaceState, PlaceView, PositionView } from "./queue/ring.ts";
export type { DeviceQueues } from "./queues.ts";
export type { HistogramView } from "./timeline/histogram.ts";
export type {
  ExportKind,
  TimelineDetail,
  TimelineLatencies,
  TimelineRow,
  TimelineState,
} from "./timeline/timeline.ts";

export type Calls = ReturnType<typeof createCalls>;

/** The same from a distance. */
export type Remote = {
  readonly [Name in keyof Calls]: (
    ...args: Parameters<Calls[Name]>
  ) => Promise<Awaited<ReturnType<Calls[Name]>>>;
};

/** A call on its way, and its answer. */
export interface CallRequest {
  readonly id: number;
  readonly name: keyof Calls;
  readonly args: readonly unknown[];
}

export type CallReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };
