/** Compiles regions on a thread of its own, so that the guest goes on meanwhile. */
import {
  type CompiledRegion,
  type CompileJob,
  compileJob,
  type RegionCompiler,
} from "./compiler.ts";

/** A thread that answers each job, in order. */
export interface CompilerPort {
  post(job: CompileJob): void;
}

/** Starts the thread. `failed` says that it cannot be had, or has come to its end. */
export type StartCompiler = (
  answered: (compiled: CompiledRegion) => void,
  failed: () => void,
) => CompilerPort;

interface Waiting {
  readonly job: CompileJob;
  readonly done: (compiled: CompiledRegion) => void;
}

export class CompilerThread implements RegionCompiler {
  readonly #start: StartCompiler;
  /** Oldest first. */
  #waiting: Waiting[] = [];
  #port: CompilerPort | undefined;
  #hasFailed = false;

  constructor(start: StartCompiler) {
    this.#start = start;
  }

  compile(job: CompileJob, done: (compiled: CompiledRegion) => void): void {
    if (this.#hasFailed) {
      done(compileJob(job));
      return;
    }
    // Not before: a machine that only starts up needs no second thread.
    this.#port ??= this.#start(
      (compiled) => this.#waiting.shift()?.done(compiled),
      () => this.#fail(),
    );
    this.#waiting.push({ job, done });
    this.#port.post(job);
  }

  /** The guest needs its regions all the same. */
  #fail(): void {
    this.#hasFailed = true;
    for (const { job, done } of this.#waiting.splice(0)) done(compileJob(job));
  }
}
