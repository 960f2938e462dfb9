/** The Worker's entry: gives the machine's host the browser. */
import { fillRandom } from "../host/entropy.ts";
import type { Socket } from "../host/websocket-net.ts";
import { RISCV_HART } from "../machine/riscv-hart.ts";
import { MachineHost } from "./machine-host.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/** The part of the Worker's global scope that is used; the page's types know only the window's. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;

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

const host = new MachineHost({
  post: (message, transfer = []) => scope.postMessage(message, transfer),
  fetch: (input, init) => fetch(input, init),
  indexedDB: globalThis.indexedDB as IDBFactory | undefined,
  // Missing, whatever the types say, where the page is not in a secure context.
  locks: navigator.locks as LockManager | undefined,
  connect: (url) => new WebSocket(url) as Socket,
  fillRandom,
  clock: { nowMs: () => performance.now(), wallClockMs: () => Date.now() },
  hart: RISCV_HART,
  isIsolated: globalThis.crossOriginIsolated,
  defer,
  sleep,
});

scope.onmessage = ({ data }) => host.receive(data);
