/** Starts the thread of Node that compiles regions. */
import { Worker } from "node:worker_threads";
import type { StartCompiler } from "../src/cpu/jit/compiler-thread.ts";

export const startCompiler: StartCompiler = (answered, failed) => {
  const entry = new URL("./compiler.ts", import.meta.url);
  const worker = new Worker(entry, { execArgv: ["--import", "tsx"] });
  worker.on("message", answered);
  worker.on("error", failed);
  // A machine that has ended need not wait for what is still being compiled.
  worker.unref();
  return { post: (job) => worker.postMessage(job) };
};
