/**
 * Everything that an inspector can ask of a machine, or do to it. A call takes and gives what can be
 * cloned, and throws an `Error` whose message is for the person who asked. Asking changes nothing.
 */
import { controlCalls } from "./control.ts";
import { cpuCalls } from "./cpu.ts";
import { deviceCalls } from "./devices.ts";
import { faultCalls } from "./faults.ts";
import { interruptCalls } from "./interrupts.ts";
import { memoryCalls } from "./memory.ts";
import { profilerCalls } from "./profiler.ts";
import { queueCalls } from "./queues.ts";
import type { TimedSubject } from "./subject.ts";
import { symbolCalls } from "./symbols.ts";
import { timelineCalls } from "./timeline.ts";

export type { ConfigFieldView } from "./config-fields.ts";
export type { DebugRegister, DebugView, Move, WatchpointView } from "./control.ts";
export type {
  CpuView,
  CsrView,
  FloatView,
  RegisterView,
  TranslationView,
  WalkView,
} from "./cpu.ts";
export type { DeviceView, FeatureView, SlotView, StatusView } from "./devices.ts";
export type { CodeLine } from "./disassembly.ts";
export type { DiskFault, FaultsView, WireFault } from "./faults.ts";
export type { HistogramView } from "./histogram.ts";
export type { HartWires, InterruptsView, SpiView } from "./interrupts.ts";
export type { AddressKind, MemoryArea, MemoryMap, MemoryRun } from "./memory.ts";
export type { Mark } from "./memory-marks.ts";
export type { AccessKind, PageTableEntry } from "./page-walk.ts";
export type { Field } from "./payload/payload.ts";
export type { PackedProfile, TopFunction } from "./profile-tree.ts";
export type { ProfileView } from "./profiler.ts";
export type { DescriptorView } from "./queue/descriptors.ts";
export type { ChainDetail, ChainRow, QueueView } from "./queue/queue-view.ts";
export type { PlaceState, PlaceView, PositionView } from "./queue/ring.ts";
export type { DeviceQueues } from "./queues.ts";
export type { SymbolFile } from "./symbols.ts";
export type {
  ExportKind,
  IndexedRow,
  TimelineDetail,
  TimelineLatencies,
  TimelineRow,
  TimelineState,
} from "./timeline/timeline.ts";

export const createCalls = (subject: TimedSubject) => ({
  ...deviceCalls(subject),
  ...interruptCalls(subject),
  ...timelineCalls(subject),
  ...symbolCalls(subject),
  ...cpuCalls(subject),
  ...profilerCalls(subject),
  ...memoryCalls(subject),
  ...faultCalls(subject),
  ...queueCalls(subject),
  ...controlCalls(subject),
});

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
