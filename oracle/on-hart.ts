/** Runs a memory image on this project's hart, with the devices that the programs use. */
import { Bus } from "../src/bus/bus.ts";
import { HART_MEMORY_BYTES, Hart } from "../src/cpu/hart.ts";
import { Interrupt } from "../src/cpu/hart-port.ts";
import { ACLINT_SIZE, Aclint } from "../src/irq/aclint.ts";
import { AdjustableTimebase } from "../src/irq/adjustable-timebase.ts";
import { GuestMemory } from "../src/memory/guest-memory.ts";
import { type FinishRequest, TestFinisher } from "../src/platform/test-finisher.ts";
import { RAM_BASE } from "./layout.ts";

const PAGE = 0x1_0000;
const SLICE = 1_000_000;
/** The translator looks where each slice ends. */
const SHORT_SLICE = 10;
/** Ten million ticks are a second; a slice is about that long for a guest that waits. */
const TICKS_PER_SLICE = 100_000;

export interface HartRun {
  readonly memory: Uint8Array;
  readonly request: FinishRequest;
}

/** Which tier runs: the translator is made to translate all it meets, in slices that end often. */
type Tier = "interpreter" | "translator";

export interface RunOptions {
  readonly tier?: Tier;
  readonly instructionsMax?: number;
}

/** @throws Error if the program does not end within `instructionsMax`. */
export function runOnHart(
  image: Uint8Array,
  ramSize: number,
  { tier = "interpreter", instructionsMax = 2e9 }: RunOptions = {},
): HartRun {
  const pages = Math.ceil((HART_MEMORY_BYTES + ramSize) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const ram = { base: RAM_BASE, size: ramSize, offset: HART_MEMORY_BYTES };
  const guestMemory = new GuestMemory(memory, [ram]);
  const bus = new Bus();
  let now = 0;
  let request: FinishRequest | undefined;
  const timebase = new AdjustableTimebase({ ticks: () => now, wallClockMs: () => 0 });
  const time = () => timebase.ticks();
  const translate = tier === "translator" ? "eager" : "never";
  const hart = new Hart({ id: 0, memory, ram, guestMemory, bus, time, translate });
  const slice = tier === "translator" ? SHORT_SLICE : SLICE;
  const aclint = new Aclint({
    harts: 1,
    timebase,
    onSoftware: (_hart, high) => hart.setInterrupt(Interrupt.machineSoftware, high),
    onTimer: (_hart, high) => hart.setInterrupt(Interrupt.machineTimer, high),
  });
  bus.attach(0x0200_0000, ACLINT_SIZE, aclint);
  const finisher = new TestFinisher((wanted) => {
    request = wanted;
    hart.requestStop();
  });
  bus.attach(0x10_0000, 0x1000, finisher);
  guestMemory.write(RAM_BASE, image);
  hart.reset({ pc: RAM_BASE, mode: "M", a0: 0, a1: 0 });
  while (request === undefined && hart.instructionCount() < instructionsMax) {
    hart.run(slice);
    now += (TICKS_PER_SLICE * slice) / SLICE;
    aclint.update();
    hart.updateTimer();
  }
  if (request === undefined) {
    throw new Error(`the program did not end; pc is 0x${hart.pc().toString(16)}`);
  }
  return { memory: guestMemory.view(RAM_BASE, ramSize)!.slice(), request };
}
