/** The entry of the thread that compiles regions. */
import { parentPort } from "node:worker_threads";
import { type CompileJob, compileJob } from "../src/cpu/jit/compiler.ts";

parentPort?.on("message", (job: CompileJob) =>
  parentPort?.postMessage(compileJob(job, () => performance.now())),
);
