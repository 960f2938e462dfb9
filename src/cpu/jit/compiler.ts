/** Who compiles regions: the hart's own thread, or another one that is sent what it needs. */
import { compileRegion, type MemoryShape, type RegionPlace } from "./compile.ts";
import type { Region } from "./discover.ts";
import { type PackedRegion, unpackRegion } from "./packed-region.ts";

/** Plain data, which can be posted to another thread. */
export interface CompileJob {
  readonly region: PackedRegion;
  readonly place: RegionPlace;
  readonly memory: MemoryShape;
}

export interface CompiledRegion {
  readonly module: WebAssembly.Module;
  /** Of WebAssembly. */
  readonly bytes: number;
  /** Time that it took on a thread of its own, in ms; 0 on the hart's, which is timed as a whole. */
  readonly threadMs: number;
}

export interface RegionCompiler {
  /** Calls back between two runs of the hart, or never if the compiler has come to its end. */
  compile(job: CompileJob, done: (compiled: CompiledRegion) => void): void;
}

/** What a thread that compiles does with a job; `nowMs` is its clock. */
export function compileJob(
  { region, place, memory }: CompileJob,
  nowMs: () => number = () => 0,
): CompiledRegion {
  const start = nowMs();
  const compiled = compileHere(unpackRegion(region), place, memory);
  return { ...compiled, threadMs: nowMs() - start };
}

export function compileHere(
  region: Region,
  place: RegionPlace,
  memory: MemoryShape,
): CompiledRegion {
  const code = compileRegion(region, place, memory);
  return { module: new WebAssembly.Module(code), bytes: code.length, threadMs: 0 };
}
