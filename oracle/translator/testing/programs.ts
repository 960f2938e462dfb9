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
  /** Called after every slice. */
  readonly afterSlice?: (machine: BareMachine) => void;
}

/** @throws Error if it does not come to its end within `maxInstructions`. */
export function finish(source: string, options: RunOptions): Finished {
  const { translate, slice = 50, maxInstructions = 5e6, afterSlice } = options;
  const machine = bareMachine({ ramBytes: RAM_BYTES, translate });
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
