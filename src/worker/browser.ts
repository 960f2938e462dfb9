/** A machine's host on the browser that this Worker is in. */
import type { CompiledRegion } from "../cpu/jit/compiler.ts";
import { CompilerThread, type StartCompiler } from "../cpu/jit/compiler-thread.ts";
import { fillRandom } from "../host/entropy.ts";
import type { Socket } from "../host/websocket-net.ts";
import { riscvHart } from "../machine/riscv-hart.ts";
import { MachineHost } from "./machine-host.ts";
import type { FromWorker } from "./protocol.ts";

/** Between two pictures, where the browser does not say when one is due. */
const FRAME_MS = 16;

/** `setTimeout` waits 4 ms when it is called again and again; a message does not. */
const turns = new MessageChannel();
const waiting: (() => void)[] = [];
turns.port1.onmessage = () => waiting.shift()?.();

function defer(callback: () => void): void {
  waiting.push(callback);
  turns.port2.postMessage(undefined);
}

function sleep(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

/** Workers have animation frames in all but old browsers. */
function requestFrame(callback: () => void): void {
  if ("requestAnimationFrame" in globalThis) globalThis.requestAnimationFrame(callback);
  else setTimeout(callback, FRAME_MS);
}

const startCompiler: StartCompiler = (answered, failed) => {
  const worker = new Worker(new URL("./compiler.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => answered(data as CompiledRegion);
  worker.onerror = failed;
  return { post: (job) => worker.postMessage(job) };
};

/**
 * Makes the host. What it says goes through `post`, what it fetches through `fetch`; `interpreter` as in
 * `HartOptions`.
 */
export function createHost(
  post: (message: FromWorker, transfer?: Transferable[]) => void,
  fetch: typeof globalThis.fetch,
  interpreter: WebAssembly.Module | undefined,
): MachineHost {
  return new MachineHost({
    post,
    requestFrame,
    fetch,
    indexedDB: globalThis.indexedDB as IDBFactory | undefined,
    // Missing, whatever the types say, where the page is not in a secure context.
    locks: navigator.locks as LockManager | undefined,
    connect: (url, protocols) => new WebSocket(url, protocols) as Socket,
    fillRandom,
    clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
    hart: riscvHart({
      compiler: new CompilerThread(startCompiler),
      ...(interpreter && { interpreter }),
    }),
    isIsolated: globalThis.crossOriginIsolated,
    defer,
    sleep,
  });
}
