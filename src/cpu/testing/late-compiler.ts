/** A compiler that answers some time later, as another thread does. */
import {
  type CompiledRegion,
  type CompileJob,
  compileJob,
  type RegionCompiler,
} from "../jit/compiler.ts";

export class LateCompiler implements RegionCompiler {
  readonly #waiting: {
    job: CompileJob;
    done: (compiled: CompiledRegion) => void;
    turns: number;
  }[] = [];
  readonly #turns: number;

  /** @param turns how often `turn` is called before an answer comes. */
  constructor(turns: number) {
    this.#turns = turns;
  }

  compile(job: CompileJob, done: (compiled: CompiledRegion) => void): void {
    this.#waiting.push({
      job: JSON.parse(JSON.stringify(job)) as CompileJob,
      done,
      turns: this.#turns,
    });
  }

  /** To be called between two runs of the hart. */
  turn(): void {
    for (const waiting of this.#waiting) waiting.turns--;
    while (this.#waiting[0]?.turns <= 0) {
      const { job, done } = this.#waiting.splice(0, 1)[0];
      done(compileJob(job));
    }
  }
}
