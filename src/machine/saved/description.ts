/** What a machine must have in common with one that was saved, to go on in its place. */
import type { VirtioSlot } from "../../virtio/slots.ts";
import type { InterruptControllerKind } from "../device-tree.ts";
import { LoadError } from "../load-error.ts";

/** A virtio device in its slot. */
export interface SavedSlot {
  readonly slot: number;
  readonly type: number;
  readonly name: string;
  /** The maximum size of each queue. */
  readonly queues: readonly number[];
  /** Names what is stored behind it: see `VirtioDevice.seal`. */
  readonly seal?: string;
}

/** Structured-clonable, and made of what JSON has. */
export interface MachineDescription {
  readonly profile: string;
  readonly interruptController: InterruptControllerKind;
  readonly ramBytes: number;
  /** Windows above RAM, base and size of each. */
  readonly windows: readonly (readonly [base: number, size: number])[];
  readonly extensions: readonly string[];
  readonly mmu: string;
  readonly slots: readonly SavedSlot[];
}

const MIB = 1024 * 1024;

export function describeSlot({ slot, transport: { device } }: VirtioSlot): SavedSlot {
  return { slot, type: device.type, name: device.name, queues: [...device.queueSizes] };
}

/** @throws LoadError that says in what `saved` is another machine than `present` */
export function checkDescription(saved: MachineDescription, present: MachineDescription): void {
  const difference = differenceOf(saved, present);
  if (difference === undefined) return;
  throw new LoadError(
    `The saved machine is another one: ${difference}.`,
    "Give this machine the same memory and devices in the same order.",
  );
}

function differenceOf(saved: MachineDescription, present: MachineDescription): string | undefined {
  const differs = (what: string, theirs: unknown, ours: unknown): string | undefined =>
    theirs === ours ? undefined : `its ${what} is ${theirs}, here it is ${ours}`;
  const missing = saved.extensions.filter((name) => !present.extensions.includes(name));
  return (
    differs("memory map", saved.profile, present.profile) ??
    differs("interrupt controller", saved.interruptController, present.interruptController) ??
    differs("RAM in MiB", saved.ramBytes / MIB, present.ramBytes / MIB) ??
    differs("memory above RAM", String(saved.windows), String(present.windows)) ??
    (missing.length > 0 ? `its processor has ${missing.join(", ")}` : undefined) ??
    differs("greatest virtual memory", saved.mmu, present.mmu) ??
    slotDifference(saved.slots, present.slots)
  );
}

function slotDifference(
  saved: readonly SavedSlot[],
  present: readonly SavedSlot[],
): string | undefined {
  const numbers = new Set([...saved, ...present].map(({ slot }) => slot));
  for (const number of numbers) {
    const theirs = saved.find(({ slot }) => slot === number);
    const ours = present.find(({ slot }) => slot === number);
    const isSame =
      theirs?.type === ours?.type &&
      theirs?.name === ours?.name &&
      String(theirs?.queues) === String(ours?.queues);
    if (isSame) continue;
    const name = (of: SavedSlot | undefined) =>
      of === undefined ? "nothing" : `${of.name} with ${of.queues.length} queues`;
    return `in its slot ${number} is ${name(theirs)}, here there is ${name(ours)}`;
  }
  return undefined;
}

/** Whether `value`, from a file, has the form of a description. */
export function isDescription(value: unknown): value is MachineDescription {
  const { profile, interruptController, ramBytes, windows, extensions, mmu, slots } = (value ??
    {}) as Partial<Record<keyof MachineDescription, unknown>>;
  const areTexts = [profile, interruptController, mmu].every((text) => typeof text === "string");
  if (!areTexts || typeof ramBytes !== "number") return false;
  return [windows, extensions, slots].every(Array.isArray) && (slots as unknown[]).every(isSlot);
}

function isSlot(value: unknown): value is SavedSlot {
  const { slot, type, name, queues, seal } = (value ?? {}) as Partial<
    Record<keyof SavedSlot, unknown>
  >;
  const hasSeal = seal === undefined || typeof seal === "string";
  const areNumbers = typeof slot === "number" && typeof type === "number";
  return areNumbers && typeof name === "string" && Array.isArray(queues) && hasSeal;
}
