/** Who compiles regions: the hart's own thread, or another one that is sent what it needs. */
import { compileRegion, type MemoryShape, type RegionPlace } from "./compile.ts";
import { type PackedRegion, unpackRegion } from "./packed-region.ts";

/** Plain data, which can be posted to another thread. */
export interface CompileJob {
  readonly region: PackedRegion;
  readonly place: RegionPlace;
  readonly memory: MemoryShape;
}

export interface RegionCompiler {
  /** Calls back between two runs of the hart, or never if the compiler has come to its end. */
  compile(job: CompileJob, done: (module: WebAssembly.Module) => void): void;
}

/** What a thread that compiles does with a job. */
export function compileJob({ region, place, memory }: CompileJob): WebAssembly.Module {
  return new WebAssembly.Module(compileRegion(unpackRegion(region), place, memory));
}
