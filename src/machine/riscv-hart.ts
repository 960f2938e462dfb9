/** The hart that machines have: the generated interpreter and translator of `cpu/`. */
import { HART_MEMORY_BYTES, Hart } from "../cpu/hart.ts";
import type { RegionCompiler } from "../cpu/jit/compiler.ts";
import type { HartModel } from "./hart-model.ts";

/** What the device tree says of it; exactly what works is advertised. */
const EXTENSIONS = [
  ...["i", "m", "a", "f", "d", "c"],
  ...["zicbom", "zicboz", "zicntr", "zicond", "zicsr", "zifencei", "zba", "zbb", "zbs"],
  ...["sstc", "svadu", "svinval", "svnapot", "svpbmt"],
];

/** With a compiler, what is hot is translated by that; without one the hart does so itself. */
export const riscvHart = (compiler?: RegionCompiler): HartModel => ({
  memoryBytes: HART_MEMORY_BYTES,
  cpu: { extensions: EXTENSIONS, mmu: "sv57" },
  create: (parts) => new Hart({ ...parts, ...(compiler && { compiler }) }),
});
