/** A machine's host on the browser that this Worker is in. */
import type { CompiledRegion } from "../cpu/jit/compiler.ts";
import { compilerFor, type StartCompiler } from "../cpu/jit/compiler-thread.ts";
import type { OpenPrivateRoot } from "../host/disk-files.ts";
import { fillRandom } from "../host/entropy.ts";
import type { DirectoryHandle } from "../host/handles/file-system-access.ts";
import { sleep } from "../host/sleep.ts";
import type { Socket } from "../host/websocket-net.ts";
import { Log } from "../machine/log.ts";
import { riscvHart } from "../machine/riscv-hart.ts";
import { MachineHost } from "./machine-host.ts";
import { logMessage } from "./message-log.ts";
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

/** Workers have animation frames in all but old browsers. */
function requestFrame(callback: () => void): void {
  if ("requestAnimationFrame" in globalThis) globalThis.requestAnimationFrame(callback);
  else setTimeout(callback, FRAME_MS);
}

/** Missing as the locks are, and where files cannot be written in place. */
function privateRoot(): OpenPrivateRoot | undefined {
  const storage = navigator.storage as StorageManager | undefined;
  const canWrite = "createSyncAccessHandle" in (globalThis.FileSystemFileHandle?.prototype ?? {});
  if (storage?.getDirectory === undefined || !canWrite) return undefined;
  return async () => (await storage.getDirectory()) as unknown as DirectoryHandle;
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
  const clock = { nowMs: () => performance.now(), wallClockMs: () => Date.now() };
  const log = new Log(clock);
  return new MachineHost({
    // What the page is told is what a person should find in the log.
    post: (message, transfer) => {
      logMessage(log, message);
      post(message, transfer);
    },
    requestFrame,
    fetch,
    indexedDB: globalThis.indexedDB as IDBFactory | undefined,
    // Missing, whatever the types say, where the page is not in a secure context.
    locks: navigator.locks as LockManager | undefined,
    files: privateRoot(),
    connect: (url, protocols) => new WebSocket(url, protocols) as Socket,
    fillRandom,
    clock,
    log,
    hart: riscvHart({
      ...compilerFor(navigator.hardwareConcurrency, startCompiler),
      ...(interpreter && { interpreter }),
    }),
    isIsolated: globalThis.crossOriginIsolated,
    defer,
    sleep,
  });
}
