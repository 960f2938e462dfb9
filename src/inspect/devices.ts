/** What there is to see of the virtio slots, and of the device in one of them. */
import { SPI_BASE } from "../irq/distributor.ts";
import type { VirtioDevice } from "../virtio/device.ts";
import type { QueueSnapshot } from "../virtio/queue.ts";
import type { VirtioSlot } from "../virtio/slots.ts";
import { bit, Feature, flagNames, Register, Status } from "../virtio/spec.ts";
import type { TransportSnapshot, WrittenRegisters } from "../virtio/transport-state.ts";
import { type ConfigFieldView, viewConfig } from "./config-fields.ts";
import { type RegisterView, viewRegisters } from "./registers.ts";
import type { Subject } from "./subject.ts";

/** The stages of a driver's way to a device that runs (2.1, 3.1.1), in their order. */
const STAGES = ["reset", "ACKNOWLEDGE", "DRIVER", "FEATURES_OK", "DRIVER_OK"] as const;
type Stage = (typeof STAGES)[number];

/** Where the specification says what features mean that are not a device's own. */
const RESERVED_FEATURES = "6";

/** Features that have names or could have been written: four words. */
const FEATURE_BITS = 128;

export interface SlotView {
  readonly slot: number;
  readonly base: number;
  readonly spi: number;
  readonly intid: number;
  /** Absent in an empty slot. */
  readonly device?: {
    readonly name: string;
    readonly title: string;
    readonly stage: Stage;
    readonly hasFault: boolean;
    /** Chains taken from all its queues. */
    readonly chains: number;
  };
}

export interface StatusView {
  readonly stages: readonly Stage[];
  readonly stage: Stage;
  readonly needsReset: boolean;
  readonly failed: boolean;
  readonly value: number;
  /** Oldest first, each by the names of its bits; the last is the present one. */
  readonly history: readonly string[];
}

export interface FeatureView {
  readonly name: string;
  readonly bit: number;
  /** Of the specification; absent for one that it does not name. */
  readonly section?: string;
  readonly isOffered: boolean;
  readonly isAccepted: boolean;
}

/** Something that went wrong, and why. */
interface FaultView {
  readonly what: string;
  readonly reason: string;
}

export interface DeviceView {
  readonly slot: number;
  readonly base: number;
  readonly spi: number;
  readonly intid: number;
  readonly name: string;
  readonly type: number;
  readonly title: string;
  readonly chapter?: string;
  /** When this was seen, in ms of the host's clock. */
  readonly atMs: number;
  readonly status: StatusView;
  readonly faults: readonly FaultView[];
  readonly features: readonly FeatureView[];
  readonly registers: readonly RegisterView[];
  readonly config: readonly ConfigFieldView[];
  readonly configBytes: number;
  readonly queues: readonly QueueSnapshot[];
  readonly transport: TransportSnapshot["transport"];
  readonly counters: TransportSnapshot["device"];
  /** Bytes moved for the guest; absent if the device does not count them. */
  readonly bytes?: number;
  /** Which of the counters rise and fall, and are in bytes; without those that there are not yet. */
  readonly levels: readonly string[];
  readonly chains: number;
}

export const deviceCalls = ({ machine, clock }: Subject) => ({
  /** All slots, the empty ones too. */
  slotMap: (): SlotView[] => {
    const { slots, base, stride, firstSpi } = machine.slots.profile;
    return Array.from({ length: slots }, (_, slot) => {
      const found = machine.slots.at(slot);
      const place = { slot, base: base + slot * stride, ...interrupt(firstSpi + slot) };
      return found === undefined ? place : { ...place, device: summary(found) };
    });
  },

  /** The device in a slot; undefined if that is empty. */
  device: (slot: number): DeviceView | undefined => {
    const found = machine.slots.at(slot);
    return found && viewDevice(found, clock.nowMs());
  },
});

function interrupt(spi: number): { spi: number; intid: number } {
  return { spi, intid: SPI_BASE + spi };
}

function titleOf(device: VirtioDevice): string {
  return device.names?.title ?? `Device ${device.type}`;
}

function summary({ transport }: VirtioSlot): NonNullable<SlotView["device"]> {
  const seen = transport.inspect();
  return {
    name: seen.name,
    title: titleOf(transport.device),
    stage: stageOf(seen.status),
    hasFault: faultsOf(seen, transport.inspectWritten()).length > 0,
    chains: chainsOf(seen),
  };
}

function viewDevice({ slot, base, spi, transport }: VirtioSlot, atMs: number): DeviceView {
  const seen = transport.inspect();
  const written = transport.inspectWritten();
  const { device } = transport;
  const { chapter, traffic, levels = [] } = device.names ?? {};
  const named = namedFeatures(device);
  const title = titleOf(device);
  const source = {
    peek: (offset: number) => transport.peek(offset, 4),
    written,
    title,
    featureName: (feature: number) => named.get(feature)?.name ?? `bit ${feature}`,
  };
  return {
    slot,
    base,
    ...interrupt(spi),
    name: seen.name,
    type: seen.type,
    title,
    ...(chapter !== undefined && { chapter }),
    atMs,
    status: viewStatus(seen.status, written.statusHistory),
    faults: faultsOf(seen, written),
    features: viewFeatures(seen, named),
    registers: viewRegisters(source, seen.driverFeatures),
    config: viewConfig(device, (offset) => transport.peek(Register.Config + offset, 1)),
    configBytes: device.config.size,
    queues: seen.queues,
    transport: seen.transport,
    counters: seen.device,
    ...(traffic && { bytes: traffic.reduce((sum, name) => sum + (seen.device[name] ?? 0), 0) }),
    levels: levels.filter((name) => seen.device[name] !== undefined),
    chains: chainsOf(seen),
  };
}

function chainsOf({ queues }: TransportSnapshot): number {
  return queues.reduce((sum, queue) => sum + queue.chains, 0);
}

function stageOf(status: number): Stage {
  const reached = STAGES.findLast((stage) => stage !== "reset" && (status & Status[stage]) !== 0);
  return reached ?? "reset";
}

function viewStatus(status: number, history: readonly number[]): StatusView {
  return {
    stages: STAGES,
    stage: stageOf(status),
    needsReset: (status & Status.DEVICE_NEEDS_RESET) !== 0,
    failed: (status & Status.FAILED) !== 0,
    value: status,
    history: history.map((value, i) => changeOf(history[i - 1] ?? 0, value)),
  };
}

/** The bits that came; a status never loses any but by a reset. */
function changeOf(before: number, now: number): string {
  return now === 0 ? "reset" : flagNames(Status, now & ~before).join(" ");
}

function faultsOf(seen: TransportSnapshot, written: WrittenRegisters): FaultView[] {
  const faults: FaultView[] = [];
  const add = (what: string, reason: string | undefined): void => {
    if (reason !== undefined) faults.push({ what, reason });
  };
  add("The device needs a reset:", seen.needsReset);
  add("The driver's features were refused:", seen.refusal);
  if ((seen.status & Status.FAILED) !== 0) add("The driver gave up:", "it set FAILED.");
  for (const [index, { refusal }] of written.setups.entries()) {
    add(`Queue ${index} was refused:`, refusal);
  }
  for (const { index, malformed, lastMalformed } of seen.queues) {
    add(`Queue ${index} had ${malformed} malformed chains; the last:`, lastMalformed);
  }
  return faults;
}

interface NamedFeature {
  readonly name: string;
  readonly section: string | undefined;
}

function namedFeatures({ names }: VirtioDevice): Map<number, NamedFeature> {
  const section = names?.chapter && `${names.chapter}.3`;
  const own = Object.entries(names?.features ?? {});
  const reserved = Object.entries(Feature);
  return new Map([
    ...own.map(([name, feature]) => [feature, { name, section }] as const),
    ...reserved.map(([name, feature]) => [feature, { name, section: RESERVED_FEATURES }] as const),
  ]);
}

/** Those that have a name here, are offered or were asked for, by their bits. */
function viewFeatures(seen: TransportSnapshot, named: Map<number, NamedFeature>): FeatureView[] {
  const views: FeatureView[] = [];
  for (let feature = 0; feature < FEATURE_BITS; feature++) {
    const isOffered = (seen.offeredFeatures & bit(feature)) !== 0n;
    const isAccepted = (seen.driverFeatures & bit(feature)) !== 0n;
    const known = named.get(feature);
    if (known === undefined && !isOffered && !isAccepted) continue;
    const { name = `bit ${feature}`, section } = known ?? {};
    views.push({ name, bit: feature, ...(section && { section }), isOffered, isAccepted });
  }
  return views;
}
