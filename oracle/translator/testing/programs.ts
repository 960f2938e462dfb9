/** Runs small bare-metal programs on either tier, until they come to the label `end`. */
import { type BareMachine, bareMachine } from "../../../src/cpu/testing/bare-machine.ts";
import { assemble } from "../../asm.ts";

export const RAM = 0x8000_0000;
const RAM_BYTES = 4 << 20;
/** A device that logs what is done to it. */
export const DEVICE = 0x1000_0000;

export interface Finished {
  readonly registers: readonly bigint[];
  /** minstret at the end. */
  readonly instructions: number;
  readonly memory: Uint8Array;
  /** What the device saw, in order. */
  readonly accesses: readonly string[];
  readonly machine: BareMachine;
}

export interface RunOptions {
  readonly translate: "never" | "eager";
  /** Instructions in a slice: where one ends, code is translated. */
  readonly slice?: number;
  readonly maxInstructions?: number;
  /** Ticks of the clock; it stands still unless given. */
  readonly time?: () => number;
  /** Called after every slice. */
  readonly afterSlice?: (machine: BareMachine) => void;
}

/** @throws Error if it does not come to its end within `maxInstructions`. */
export function finish(source: string, options: RunOptions): Finished {
  const { translate, slice = 50, maxInstructions = 5e6, time = () => 0, afterSlice } = options;
  const machine = bareMachine({ ramBytes: RAM_BYTES, translate, time });
  const { hart, bus, memory } = machine;
  const accesses: string[] = [];
  bus.attach(DEVICE, 0x1000, {
    name: "log",
    read: (offset, size) => {
      accesses.push(`read ${size} at ${offset}`);
      return accesses.length;
    },
    write: (offset, size, value) => void accesses.push(`write ${size} at ${offset}: ${value}`),
  });
  const program = assemble(source, BigInt(RAM));
  const end = program.symbols.get("end");
  memory.write(RAM, program.bytes);
  while (hart.pc() !== end) {
    if (hart.instructionCount() > maxInstructions) {
      throw new Error(`the program did not end; pc is 0x${hart.pc().toString(16)}`);
    }
    // Slices may end anywhere before the last instruction, which is a jump to itself.
    hart.run(slice);
    afterSlice?.(machine);
  }
  return {
    registers: Array.from({ length: 32 }, (_, k) => hart.getX(k)),
    instructions: Number(hart.getX(31)),
    memory: memory.view(RAM, RAM_BYTES)!.slice(),
    accesses,
    machine,
  };
}

/** Where the tables of `PAGING` map one page, by the entry at `ENTRY`. */
export const PAGED = 0x4000_0000;
const [ROOT, MIDDLE] = [RAM + 0x20_0000, RAM + 0x20_1000];
export const ENTRY = RAM + 0x20_2000;

const pointerTo = (table: number): bigint => (BigInt(table >>> 12) << 10n) | 1n;

/** The entry of a page that S-mode may read, write and execute. */
export const pageAt = (address: number): bigint => pointerTo(address) | 0xcfn;

/** Sv39 with RAM at its own address and a table of small pages at `PAGED`, for S-mode. */
export const PAGING = `
  li t0, ${ROOT}
  li t1, ${pageAt(RAM)}
  sd t1, 16(t0)
  li t1, ${pointerTo(MIDDLE)}
  sd t1, 8(t0)
  li t0, ${MIDDLE}
  li t1, ${pointerTo(ENTRY)}
  sd t1, 0(t0)
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  li t0, ${(8n << 60n) | BigInt(ROOT >>> 12)}
  csrw satp, t0
  sfence
`;

/** Goes on in S-mode. */
export const TO_SUPERVISOR = `
  la t0, supervisor
  csrw mepc, t0
  li t0, 0x1800
  csrc mstatus, t0
  li t0, 0x800
  csrs mstatus, t0
  mret
supervisor:`;
