/** A hart with RAM and nothing else, for tests of the CPU alone. */
import { Bus } from "../../bus/bus.ts";
import { GuestMemory, type RamRegion } from "../../memory/guest-memory.ts";
import { HART_MEMORY_BYTES, Hart, type HartOptions } from "../hart.ts";

const WASM_PAGE = 0x1_0000;

export interface BareMachineOptions {
  /** Bytes of RAM, a multiple of 64 KiB; default 1 MiB. */
  readonly ramBytes?: number;
  readonly ramBase?: number;
  /** Linear memory behind RAM; default none. */
  readonly windowBytes?: number;
  readonly shared?: boolean;
  readonly time?: () => number;
  readonly translate?: HartOptions["translate"];
  readonly ecall?: HartOptions["ecall"];
  readonly compiler?: HartOptions["compiler"];
  readonly interpreter?: HartOptions["interpreter"];
}

export interface BareMachine {
  readonly hart: Hart;
  readonly memory: GuestMemory;
  readonly bus: Bus;
  readonly ram: RamRegion;
  /** Writes 32-bit instructions one after the other. */
  program(at: number, words: readonly number[]): void;
}

export function bareMachine(options: BareMachineOptions = {}): BareMachine {
  const size = options.ramBytes ?? 0x10_0000;
  const pages = (HART_MEMORY_BYTES + size + (options.windowBytes ?? 0)) / WASM_PAGE;
  const linear = new WebAssembly.Memory({
    initial: pages,
    maximum: pages,
    shared: options.shared ?? false,
  });
  const ram: RamRegion = { base: options.ramBase ?? 0x8000_0000, size, offset: HART_MEMORY_BYTES };
  const memory = new GuestMemory(linear, [ram]);
  const bus = new Bus();
  const time = options.time ?? (() => 0);
  const hart = new Hart({
    id: 0,
    memory: linear,
    ram,
    guestMemory: memory,
    bus,
    time,
    ...(options.translate && { translate: options.translate }),
    ...(options.ecall && { ecall: options.ecall }),
    ...(options.compiler && { compiler: options.compiler }),
    ...(options.interpreter && { interpreter: options.interpreter }),
  });
  hart.reset({ pc: ram.base, mode: "M", a0: 0, a1: 0 });
  return {
    hart,
    memory,
    bus,
    ram,
    program: (at, words) => {
      for (const [k, word] of words.entries()) memory.writeU32(at + 4 * k, word);
    },
  };
}
