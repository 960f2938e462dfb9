/** The hart that machines have: the generated interpreter and translator of `cpu/`. */
import { HART_MEMORY_BYTES, Hart, type HartOptions } from "../cpu/hart.ts";

import type { HartModel } from "./hart-model.ts";

/** What the device tree says of it; exactly what works is advertised. */
const EXTENSIONS = [
  ...["i", "m", "a", "f", "d", "c"],
  ...["zicbom", "zicboz", "zicntr", "zicond", "zicsr", "zifencei", "zba", "zbb", "zbs"],
  ...["sstc", "svadu", "svinval", "svnapot", "svpbmt"],
];

/** @param options see `HartOptions`. */
export const riscvHart = (
  options: Pick<HartOptions, "interpreter" | "compiler"> = {},
): HartModel => ({
  memoryBytes: HART_MEMORY_BYTES,
  cpu: { extensions: EXTENSIONS, mmu: "sv57" },
  create: (parts) => new Hart({ ...parts, ...options }),
});
