/** Ends the process if one scenario never does, and says which it was. */
import { Worker } from "node:worker_threads";
import type { Step } from "../src/virtio/testing/scenario.ts";

/** A scenario takes a millisecond or two. */
const LIMIT_MS = 30_000;

const TEXT_MAX = 1 << 20;

/** Runs beside a main thread that hangs; kept as text because it must not need a loader. */
const WORKER = `
  const { workerData } = require("node:worker_threads");
  const count = new Int32Array(workerData.shared, 0, 2);
  let last = -1;
  setInterval(() => {
    const now = Atomics.load(count, 0);
    if (now !== last) { last = now; return; }
    const text = Buffer.from(workerData.shared.slice(8, 8 + count[1])).toString();
    require("node:fs").writeSync(2, "\\nThis never ends: " + text + "\\n");
    process.kill(process.pid, "SIGKILL");
  }, ${LIMIT_MS}).unref();
`;

export class Watchdog {
  readonly #shared = new SharedArrayBuffer(8 + TEXT_MAX);
  readonly #count = new Int32Array(this.#shared, 0, 2);
  readonly #text = Buffer.from(this.#shared, 8);

  constructor() {
    new Worker(WORKER, { eval: true, workerData: { shared: this.#shared } }).unref();
  }

  /** Begins to watch over one scenario. */
  begin(device: string, steps: readonly Step[]): void {
    this.#count[1] = this.#text.write(`${device} ${JSON.stringify(steps)}`);
    Atomics.add(this.#count, 0, 1);
  }
}
