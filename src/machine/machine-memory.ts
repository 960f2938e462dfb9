/** The memory of a machine: the hart's own state, RAM behind it, and room for windows above RAM. */
import { GuestMemory, type RamRegion } from "../memory/guest-memory.ts";
import { WINDOW_BLOCK_BYTES } from "../memory/memory-window.ts";
import { LoadError } from "./load-error.ts";
import { MAX_RAM_BYTES, MIN_RAM_BYTES } from "./machine-types.ts";
import { Windows } from "./windows.ts";

const MIB = 1024 * 1024;
const WASM_PAGE = 64 * 1024;

export interface MachineMemory {
  readonly linear: WebAssembly.Memory;
  readonly ram: RamRegion;
  readonly guest: GuestMemory;
  readonly windows: Windows;
}

export interface MemorySizes {
  /** Where RAM is for the guest. */
  readonly ramBase: number;
  readonly ramBytes: number;
  readonly windowBytes: number;
  /** Of the hart, in front of RAM. */
  readonly hartBytes: number;
  /** Between threads. */
  readonly shared: boolean;
}

/**
 * @throws RangeError for an impossible size of RAM.
 * @throws LoadError if the host has not that much memory, or no machine can have it.
 */
export function createMemory(sizes: MemorySizes): MachineMemory {
  const { ramBase, ramBytes, windowBytes, hartBytes, shared } = sizes;
  checkRam(ramBytes);
  checkWindows(ramBytes, windowBytes);
  const linear = allocate(hartBytes + ramBytes + windowBytes, shared);
  const ram = { base: ramBase, size: ramBytes, offset: hartBytes };
  const guest = new GuestMemory(linear, [ram]);
  return { linear, ram, guest, windows: new Windows(guest, ram, windowBytes) };
}

function checkRam(bytes: number): void {
  if (bytes >= MIN_RAM_BYTES && bytes <= MAX_RAM_BYTES && bytes % MIB === 0) return;
  throw new RangeError(
    `RAM must be a whole number of MiB from ${MIN_RAM_BYTES / MIB} to ${MAX_RAM_BYTES / MIB}`,
  );
}

function checkWindows(ramBytes: number, bytes: number): void {
  const isPossible = bytes >= 0 && ramBytes + bytes <= MAX_RAM_BYTES;
  if (isPossible && bytes % WINDOW_BLOCK_BYTES === 0) return;
  throw new LoadError(
    `The machine would have ${(ramBytes + bytes) / MIB} MiB of memory with what is above its RAM.`,
    `It can have ${MAX_RAM_BYTES / MIB}: give it less to plug, or a smaller persistent memory.`,
  );
}

function allocate(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LoadError(
      `There is no memory for a machine of ${Math.ceil(bytes / MIB)} MiB.`,
      "Give it less RAM, or close other tabs.",
    );
  }
}
