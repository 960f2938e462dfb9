/**
 * Saves a machine between two slices, and has another one go on where it was.
 *
 * Requests that the host works on are waited for, and what is stored behind devices is made durable and
 * sealed: its name is in the file, and it is not the same any more once something was written. What is
 * left is taken in one go, so that it is of one moment: devices first, since they may have something to
 * show the guest yet, then interrupt controllers and hart, then memory.
 */
import type { HartPort } from "../../cpu/hart-port.ts";
import type { HartState } from "../../cpu/hart-state.ts";
import type { AdjustableTimebase } from "../../irq/adjustable-timebase.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { ByteQueue } from "../../platform/byte-queue.ts";
import type { VirtioSlot, VirtioSlots } from "../../virtio/slots.ts";
import type { TransportState } from "../../virtio/transport-state.ts";
import type { ConsoleHub, ConsolesState } from "../console-hub.ts";
import type { CpuDescription, InterruptControllerKind } from "../device-tree.ts";
import type { Interrupts, InterruptsState } from "../interrupts.ts";
import { LoadError } from "../load-error.ts";
import type { Platform, PlatformState } from "../platform.ts";
import type { Profile } from "../profile.ts";
import {
  checkDescription,
  describeSlot,
  isDescription,
  type MachineDescription,
  type SavedSlot,
} from "./description.ts";
import type { Bytes, Pieces } from "./gzip.ts";
import { copyPages, placePages } from "./pages.ts";
import {
  damaged,
  encodeHead,
  type OpenedFile,
  openSavedFile,
  writeSavedFile,
} from "./saved-file.ts";

/** How long the host may take to finish what it works on, in ms. A disk that is far away may be slow. */
const SETTLE_MS = 10_000;

/** How often it is looked whether it has, in ms. */
const LOOK_MS = 2;

/** What of a machine everybody may use and has a state. */
interface Board {
  readonly profile: Profile;
  readonly interruptController: InterruptControllerKind;
  readonly ramBytes: number;
  readonly memory: GuestMemory;
  readonly timebase: AdjustableTimebase;
  readonly interrupts: Interrupts;
  readonly platform: Platform;
  readonly consoles: ConsoleHub;
  readonly slots: VirtioSlots;
}

export interface MachineParts {
  readonly board: Board;
  readonly cpu: CpuDescription;
  readonly hart: HartPort;
  /** What was typed for the SBI's console. */
  readonly sbiInput: ByteQueue;
  /** Address of the word of the host-target interface, if there is one. */
  readonly tohost: number | undefined;
}

/** Structured-clonable state of a machine without its memory, version 1. */
interface MachineState {
  readonly version: 1;
  readonly ticks: number;
  readonly hart: HartState;
  readonly interrupts: InterruptsState;
  readonly platform: PlatformState;
  readonly consoles: ConsolesState;
  readonly sbiInput: Uint8Array;
  readonly tohost: number | undefined;
  readonly slots: readonly {
    readonly slot: number;
    readonly transport: TransportState;
    /** Of its own memory what is there. */
    readonly memory: readonly { readonly base: number; readonly size: number }[];
  }[];
}

export interface SaveOptions {
  /** The host's clock in ms, and its timer. */
  readonly nowMs: () => number;
  readonly sleep: (ms: number, callback: () => void) => unknown;
  /** For whoever reads the file; made of what JSON has. */
  readonly note: unknown;
}

/** A file that is opened, of a machine that may be restored. */
export interface MachineFile {
  readonly machine: MachineDescription;
  /** What it was saved with; from a file, so to be checked. */
  readonly note: unknown;
  readonly file: OpenedFile;
}

/** @throws LoadError for anything but a saved machine */
export async function openMachineFile(pieces: Pieces): Promise<MachineFile> {
  const file = await openSavedFile(pieces);
  const { machine, note } = file.head;
  if (!isDescription(machine)) throw damaged(new TypeError("no description of a machine"));
  return { machine, note, file };
}

/**
 * Saves a machine of which no instruction runs until this is done; gives its file, which is made piece by
 * piece while the machine may go on.
 * @throws LoadError if it cannot be saved, with the device whose fault that is
 */
export async function saveMachine(
  parts: MachineParts,
  options: SaveOptions,
): Promise<AsyncGenerator<Bytes>> {
  const slots = parts.board.slots.occupied;
  checkObstacles(slots);
  await settle(slots, options);
  const seals = new Map<VirtioSlot, string>();
  for (const slot of slots) {
    const seal = await sealOf(slot);
    if (seal !== undefined) seals.set(slot, seal);
  }
  checkObstacles(slots);
  checkSettled(slots);
  const described = slots.map((slot) => {
    const seal = seals.get(slot);
    return { ...describeSlot(slot), ...(seal !== undefined && { seal }) };
  });
  const machine = describeMachine(parts, described);
  return capture(parts, machine, options.note);
}

/** Everything at once: nothing may wait in here. */
function capture(
  parts: MachineParts,
  machine: MachineDescription,
  note: unknown,
): AsyncGenerator<Bytes> {
  const { board } = parts;
  board.consoles.flush();
  const state: MachineState = {
    version: 1,
    slots: board.slots.occupied.map(({ slot, transport }) => ({
      slot,
      transport: transport.save(),
      memory: transport.device.ownMemory?.presentRanges() ?? [],
    })),
    platform: board.platform.save(),
    interrupts: board.interrupts.save(),
    consoles: board.consoles.save(),
    sbiInput: parts.sbiInput.toBytes(),
    tohost: parts.tohost,
    ticks: board.timebase.ticks(),
    hart: parts.hart.save(),
  };
  const { runs, copies } = copyPages(board.memory, [
    { base: board.profile.ramBase, size: board.ramBytes },
    ...state.slots.flatMap(({ memory }) => memory),
  ]);
  // Encoded now, since devices go on changing what they have given.
  return writeSavedFile(encodeHead({ machine, note, state, runs }), copies);
}

/**
 * Puts the memory of a saved machine into one that has not been booted, and gives what `applyState` needs.
 * @throws LoadError if the file is damaged or of another machine, or what its devices have stored was
 *   changed since: then nothing of the machine has changed
 */
export async function placeMachine(
  parts: MachineParts,
  { machine, file }: MachineFile,
): Promise<MachineState> {
  const slots = parts.board.slots.occupied;
  checkDescription(machine, describeMachine(parts, slots.map(describeSlot)));
  for (const slot of slots) await checkSeal(slot, machine.slots);
  const state = parseState(file.head.state);
  const owners = slots.filter(({ transport }) => transport.device.ownMemory !== undefined);
  try {
    for (const { slot, transport } of owners) {
      const { memory = [] } = state.slots.find((saved) => saved.slot === slot) ?? {};
      for (const { base, size } of memory) transport.device.ownMemory?.setPresent(base, size, true);
    }
    await placePages(parts.board.memory, file.head.runs, file.pages());
  } catch (error) {
    // Nothing of it was there: the machine is new.
    for (const { transport } of owners) {
      const { base = 0, size = 0 } = transport.device.ownMemory ?? {};
      transport.device.ownMemory?.setPresent(base, size, false);
    }
    throw error instanceof LoadError ? error : damaged(error);
  }
  return state;
}

/**
 * Hart and interrupt controllers first: what devices have to say comes on top.
 * @throws LoadError for a state that no machine can have; the machine cannot be used any more then
 */
export function applyState({ board, hart, sbiInput }: MachineParts, state: MachineState): void {
  try {
    board.timebase.setTicks(state.ticks);
    hart.load(state.hart);
    board.interrupts.load(state.interrupts);
    board.platform.load(state.platform);
    sbiInput.put(state.sbiInput);
    board.consoles.load(state.consoles);
    for (const { slot, transport } of state.slots) board.slots.at(slot)?.transport.load(transport);
  } catch (error) {
    throw damaged(error);
  }
}

function describeMachine(
  { board, cpu }: MachineParts,
  slots: readonly SavedSlot[],
): MachineDescription {
  return {
    profile: board.profile.name,
    interruptController: board.interruptController,
    ramBytes: board.ramBytes,
    windows: board.memory.windows.map(({ base, size }) => [base, size]),
    extensions: cpu.extensions,
    mmu: cpu.mmu,
    slots,
  };
}

function parseState(value: unknown): MachineState {
  const state = value as Partial<MachineState> | null | undefined;
  const isState = state?.version === 1 && Array.isArray(state.slots);
  if (isState && Number.isSafeInteger(state.ticks)) return state as MachineState;
  throw damaged(new TypeError("no state of a machine"));
}

function checkObstacles(slots: readonly VirtioSlot[]): void {
  for (const { transport } of slots) {
    const { name, device } = transport;
    if (device.obstacle !== undefined) throw refusal(`${name} ${device.obstacle}`);
  }
}

/** Waits until the host has finished what the guest has asked of it. */
async function settle(slots: readonly VirtioSlot[], { nowMs, sleep }: SaveOptions): Promise<void> {
  const end = nowMs() + SETTLE_MS;
  while (isBusy(slots) && nowMs() < end) {
    await new Promise<void>((resolve) => sleep(LOOK_MS, resolve));
  }
  checkSettled(slots);
}

const isBusy = (slots: readonly VirtioSlot[]): boolean =>
  slots.some(({ transport }) => (transport.device.underWay ?? 0) > 0);

function checkSettled(slots: readonly VirtioSlot[]): void {
  for (const { transport } of slots) {
    const { name, device } = transport;
    const count = device.underWay ?? 0;
    if (count > 0) throw refusal(`${name} still waits for ${count} requests`);
  }
}

async function sealOf({ transport }: VirtioSlot): Promise<string | undefined> {
  try {
    return await transport.device.seal?.();
  } catch (error) {
    throw refusal(`what ${transport.name} has written cannot be stored (${String(error)})`);
  }
}

function refusal(what: string): LoadError {
  return new LoadError(`The machine cannot be saved: ${what}.`, "It goes on as before.");
}

async function checkSeal(
  { slot, transport }: VirtioSlot,
  saved: readonly SavedSlot[],
): Promise<void> {
  const { device, name } = transport;
  if (device.sealed === undefined) return;
  const seal = saved.find((other) => other.slot === slot)?.seal;
  if (seal !== undefined && (await device.sealed()) === seal) return;
  throw new LoadError(
    `The disk of ${name} was changed after the machine was saved.`,
    "The guest would spoil it with what it remembers: start it anew from that disk.",
  );
}
