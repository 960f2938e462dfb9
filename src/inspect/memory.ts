/** The guest's memory: what is where, its bytes, and a search through them. */
import type { Bus } from "../bus/bus.ts";
import type { Machine } from "../machine/machine.ts";
import { translationState } from "./hart-state.ts";
import { hex, hexBytes } from "./hex.ts";
import { type Mark, marksOf } from "./memory-marks.ts";
import { type FoundBytes, parsePattern, search } from "./memory-search.ts";
import type { Subject } from "./subject.ts";
import { symbolsOf } from "./symbols.ts";
import { VirtualMemory } from "./virtual-memory.ts";

export interface MemoryArea {
  /** First guest physical address, and length in bytes. */
  readonly base: number;
  readonly size: number;
  readonly kind: "ram" | "window" | "device" | "slot";
  readonly name: string;
  /** Of a window: bytes that are there. */
  readonly presentBytes?: number;
}

export interface MemoryMap {
  readonly areas: readonly MemoryArea[];
  /** What is known of parts of RAM. */
  readonly marks: readonly Mark[];
}

export type AddressKind = "physical" | "virtual";

/** Bytes from one address on; absent where there is no memory, or it cannot be read without a trace. */
export interface MemoryRun {
  readonly address: bigint;
  readonly length: number;
  readonly bytes?: Uint8Array;
  /** Where it is in the guest's physical memory. */
  readonly physical?: number;
}

/** Of one call: some screens of a hex view. */
export const MAX_READ_BYTES = 0x1_0000;
const PAGE_BYTES = 4096;

/** Of one change: much more than a person types, and a page at most twice. */
export const MAX_WRITE_BYTES = 4096;

/** Of a change that the log has byte by byte; of a longer one it says how long it is. */
const MAX_LOGGED_BYTES = 8;

export const memoryCalls = (subject: Subject) => {
  const { machine } = subject;
  const symbols = symbolsOf(subject);
  return {
    memoryMap: (): MemoryMap => ({ areas: areasOf(machine), marks: marksOf(machine, symbols) }),
    /** Runs that cover the range, page by page; with virtual addresses in the hart's present mode. */
    memoryBytes: (kind: AddressKind, address: bigint, length: number): MemoryRun[] => {
      const reader = new Reader(machine, kind);
      return reader.runs(BigInt.asUintN(64, address), Math.min(length, MAX_READ_BYTES));
    },
    /**
     * Writes RAM or windows, read-only pages too, whether the machine is held or not: a change comes between
     * two instructions. Gives what was there, run by run. If any byte is not RAM nothing is written.
     */
    memoryWrite: (kind: AddressKind, address: bigint, bytes: Uint8Array): MemoryRun[] => {
      if (bytes.length === 0 || bytes.length > MAX_WRITE_BYTES) {
        throw new Error(`From 1 to ${MAX_WRITE_BYTES} bytes can be changed at a time.`);
      }
      const start = BigInt.asUintN(64, address);
      const runs = new Reader(machine, kind).runs(start, bytes.length);
      const places = runs.map((run) => ramOf(machine, run));
      let at = 0;
      for (const [i, { length }] of runs.entries()) {
        machine.memory.write(places[i], bytes.subarray(at, at + length));
        at += length;
      }
      subject.report?.("warning", "memory", changeText(runs, bytes));
      return runs;
    },
    /**
     * Searches RAM and windows for `text`, such as `"quoted text"`, `de ad be ef` or `u32 0x1234`, from
     * a physical address on. It ends early, and says where to go on.
     */
    memorySearch: (text: string, from: number): FoundBytes =>
      search(machine.memory, parsePattern(text), from),
  };
};

function areasOf(machine: Machine): MemoryArea[] {
  const { memory, bus, slots } = machine;
  const areas: MemoryArea[] = [
    ...bus.regions.map(
      ({ base, size, handler }): MemoryArea => ({ base, size, kind: "device", name: handler.name }),
    ),
    ...slots.occupied.map(
      ({ base, size, slot, transport }): MemoryArea => ({
        ...{ base, size, kind: "slot" },
        name: `slot ${slot}: ${transport.name}`,
      }),
    ),
    ...memory.regions.map(
      ({ base, size }): MemoryArea => ({ base, size, kind: "ram", name: "RAM" }),
    ),
    ...memory.windows.map(
      ({ base, size, presentBytes }): MemoryArea => ({
        ...{ base, size, kind: "window", name: "window" },
        presentBytes,
      }),
    ),
  ];
  return areas.sort((a, b) => a.base - b.base || b.size - a.size);
}

/** Where a run is in RAM. @throws Error that says what is there instead. */
function ramOf(machine: Machine, { address, physical, length }: MemoryRun): number {
  if (physical !== undefined && machine.memory.contains(physical, length)) return physical;
  throw new Error(
    `${hex(address)} is ${otherThanRam(machine, physical)}: only RAM can be changed.`,
  );
}

function otherThanRam(machine: Machine, physical: number | undefined): string {
  if (physical === undefined) return "not mapped";
  const area = areasOf(machine)
    .filter(({ base, size }) => physical >= base && physical < base + size)
    .sort((a, b) => a.size - b.size)[0];
  if (area === undefined) return "no memory";
  return area.kind === "window" ? "memory that is not plugged" : `a register of ${area.name}`;
}

function changeText(before: readonly MemoryRun[], after: Uint8Array): string {
  const place = hex(before[0].physical ?? before[0].address);
  if (after.length > MAX_LOGGED_BYTES) return `changed ${after.length} bytes at ${place}`;
  const old = before.flatMap(({ bytes = [] }) => [...bytes]);
  return `changed ${hexBytes(old)} to ${hexBytes(after)} at ${place}`;
}

class Reader {
  readonly #machine: Machine;
  readonly #virtual: VirtualMemory | undefined;

  constructor(machine: Machine, kind: AddressKind) {
    this.#machine = machine;
    const hart = machine.harts[0];
    if (kind === "physical") return;
    this.#virtual = new VirtualMemory(machine.memory, translationState(hart));
  }

  runs(address: bigint, length: number): MemoryRun[] {
    const runs: MemoryRun[] = [];
    for (let at = 0; at < length; ) {
      const start = address + BigInt(at);
      const left = PAGE_BYTES - Number(start % BigInt(PAGE_BYTES));
      const part = Math.min(left, length - at);
      runs.push(this.#run(start, part));
      at += part;
    }
    return runs;
  }

  #run(address: bigint, length: number): MemoryRun {
    const physical = this.#physical(address);
    if (physical === undefined) return { address, length };
    const view = this.#machine.memory.view(physical, length);
    // A copy: a view of shared memory would carry all of it.
    const bytes = view?.slice() ?? peek(this.#machine.bus, physical, length);
    return { address, length, physical, ...(bytes && { bytes }) };
  }

  #physical(address: bigint): number | undefined {
    if (this.#virtual !== undefined) return this.#virtual.translate(address);
    return address > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(address);
  }
}

/** Registers of a device that can be looked at without a side effect. */
function peek(bus: Bus, gpa: number, length: number): Uint8Array | undefined {
  const region = bus.regions.find(({ base, size }) => gpa >= base && gpa + length <= base + size);
  if (region?.handler.peek === undefined || gpa % 4 !== 0 || length % 4 !== 0) return undefined;
  const bytes = new Uint8Array(length);
  const data = new DataView(bytes.buffer);
  for (let at = 0; at < length; at += 4) {
    data.setUint32(at, region.handler.peek(gpa - region.base + at, 4), true);
  }
  return bytes;
}
