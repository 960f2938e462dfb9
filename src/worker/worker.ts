/** The Worker's entry. Small: it asks for the guest's files before the machine's code has loaded. */
import { EarlyFetch } from "./early-fetch.ts";
import { fetchInterpreter } from "./interpreter.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";

/** The part of the Worker's global scope that is used; the page's types know only the window's. */
interface WorkerScope {
  /** The page puts the addresses of the guest's files here, as JSON. */
  readonly name: string;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;
const early = new EarlyFetch((input, init) => fetch(input, init));

for (const url of JSON.parse(scope.name) as string[]) early.start(url);

/** Messages that came before there was a host to take them. */
const backlog: ToWorker[] = [];
scope.onmessage = ({ data }) => void backlog.push(data);

// Not awaited: a module that still waits for another gets no messages.
void Promise.all([import("./browser.ts"), fetchInterpreter()]).then(([code, interpreter]) => {
  const post = (message: FromWorker, transfer: Transferable[] = []) =>
    scope.postMessage(message, transfer);
  const host = code.createHost(post, early.fetch, interpreter);
  scope.onmessage = ({ data }) => host.receive(data);
  for (const message of backlog) host.receive(message);
});
