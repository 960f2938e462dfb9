/** The register file of a virtio-MMIO slot by the specification's names (4.2.2). */
import { flagNames, InterruptBit, Register, Status } from "../virtio/spec.ts";
import type { WrittenRegisters } from "../virtio/transport-state.ts";

export interface RegisterView {
  readonly name: string;
  readonly offset: number;
  readonly access: "R" | "W" | "RW";
  /** Unsigned; undefined for what is a command and holds nothing. */
  readonly value: number | undefined;
  /** What the value says; may be empty. */
  readonly meaning: string;
}

/** What a register is read from, and what helps to say what it means. */
export interface RegisterSource {
  /** A register without side effects. */
  readonly peek: (offset: number) => number;
  readonly written: WrittenRegisters;
  /** Of the device. */
  readonly title: string;
  /** Names of features by their bits. */
  readonly featureName: (bit: number) => string;
}

const COMMANDS: ReadonlySet<number> = new Set([Register.QueueNotify, Register.InterruptACK]);

/** Those that a driver cannot read; a peek gives 0. */
const WRITE_ONLY: ReadonlySet<number> = new Set([
  Register.DeviceFeaturesSel,
  Register.DriverFeatures,
  Register.DriverFeaturesSel,
  Register.QueueSel,
  Register.QueueNum,
  Register.QueueNotify,
  Register.InterruptACK,
  Register.QueueDescLow,
  Register.QueueDescHigh,
  Register.QueueDriverLow,
  Register.QueueDriverHigh,
  Register.QueueDeviceLow,
  Register.QueueDeviceHigh,
  Register.SHMSel,
]);

const READ_WRITE: ReadonlySet<number> = new Set([
  Register.QueueReady,
  Register.Status,
  Register.QueueReset,
]);

/** All registers in the order of their offsets, without the configuration space. */
export function viewRegisters(source: RegisterSource, driverFeatures: bigint): RegisterView[] {
  return Object.entries(Register)
    .filter(([, offset]) => offset !== Register.Config)
    .map(([name, offset]) => {
      const access = accessOf(offset);
      const value = heldBy(source, offset, driverFeatures);
      const meaning = value === undefined ? "" : meaningOf(source, offset, value);
      return { name, offset, access, value, meaning };
    });
}

function accessOf(offset: number): RegisterView["access"] {
  if (READ_WRITE.has(offset)) return "RW";
  return WRITE_ONLY.has(offset) ? "W" : "R";
}

/** What a read gives, or what was written last where a read gives nothing. */
function heldBy(source: RegisterSource, offset: number, driver: bigint): number | undefined {
  if (COMMANDS.has(offset)) return undefined;
  if (!WRITE_ONLY.has(offset)) return source.peek(offset);
  const { selectors, setups } = source.written;
  const setup = setups[selectors.queue];
  switch (offset) {
    case Register.DeviceFeaturesSel:
      return selectors.deviceFeatures;
    case Register.DriverFeaturesSel:
      return selectors.driverFeatures;
    case Register.DriverFeatures:
      return featureWord(driver, selectors.driverFeatures);
    case Register.QueueSel:
      return selectors.queue;
    case Register.SHMSel:
      return selectors.sharedMemory;
    case Register.QueueNum:
      return setup?.size ?? 0;
    default:
      return setup?.words.find(([register]) => register === offset)?.[1] ?? 0;
  }
}

/** A driver may have written any selector; there are no features past the fourth word. */
function featureWord(features: bigint, selector: number): number {
  return selector < 4 ? Number(BigInt.asUintN(32, features >> BigInt(32 * selector))) : 0;
}

function meaningOf(source: RegisterSource, offset: number, value: number): string {
  const { selectors } = source.written;
  switch (offset) {
    case Register.MagicValue:
    case Register.VendorID:
      return `"${ascii(value)}"`;
    case Register.DeviceID:
      return source.title;
    case Register.DeviceFeatures:
      return featureNames(source, selectors.deviceFeatures, value);
    case Register.DriverFeatures:
      return featureNames(source, selectors.driverFeatures, value);
    case Register.DeviceFeaturesSel:
    case Register.DriverFeaturesSel:
      return `features ${32 * value} to ${32 * value + 31}`;
    case Register.InterruptStatus:
      return flagNames(InterruptBit, value).join(", ");
    case Register.Status:
      return flagNames(Status, value).join(", ") || "reset";
    default:
      return ofQueue(offset) ? `of queue ${selectors.queue}` : "";
  }
}

function ofQueue(offset: number): boolean {
  return (
    (offset >= Register.QueueNumMax && offset <= Register.QueueReady) ||
    (offset >= Register.QueueDescLow && offset <= Register.QueueDeviceHigh)
  );
}

function featureNames(source: RegisterSource, selector: number, word: number): string {
  const set = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (word >>> bit) & 1);
  return set.map((bit) => source.featureName(32 * selector + bit)).join(", ");
}

/** Four characters, the first in the lowest byte. */
function ascii(word: number): string {
  return String.fromCharCode(...[0, 8, 16, 24].map((shift) => (word >>> shift) & 0x7f));
}
