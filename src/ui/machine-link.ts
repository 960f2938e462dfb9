/** The page's end of the wire to one Worker. Small, because it runs before the rest has loaded. */
import type { BootConfig, FromWorker, ToWorker } from "../worker/protocol.ts";

export interface MachineLink {
  /** Sends; what is in `transfer` goes with it. */
  send(message: ToWorker, transfer?: Transferable[]): void;
  /** Hands over what has arrived so far and everything from now on. */
  listen(receiver: (message: FromWorker) => void): void;
  /** Resolves once the Worker has said more than what it is waiting for. */
  readonly begun: Promise<void>;
  /** Ends the Worker and with it the machine, whatever it is doing. */
  terminate(): void;
}

/** Starts a Worker with a machine that boots at once; what it says is kept until someone listens. */
export function openMachine(config: BootConfig): MachineLink {
  // The bundler finds the Worker's code only when the address is written right here.
  const worker = new Worker(new URL("../worker/worker.ts", import.meta.url), {
    type: "module",
    // The one thing that a Worker knows before its first message: what to fetch meanwhile.
    name: JSON.stringify(addressesOf(config)),
  });
  const backlog: FromWorker[] = [];
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let receive = (message: FromWorker): void => {
    backlog.push(message);
    if (message.type !== "progress") begin();
  };
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => receive(data);
  worker.onerror = ({ message }) => {
    const what = `The machine stopped because of a fault in tabvisor: ${message || "no details"}.`;
    receive({ type: "problem", problem: { what, advice: "Reload the page to start again." } });
  };
  const link: MachineLink = {
    send: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (receiver) => {
      receive = receiver;
      for (const message of backlog.splice(0)) receiver(message);
    },
    begun,
    terminate: () => worker.terminate(),
  };
  link.send({ type: "boot", config });
  return link;
}

/** The seed is three kilobytes, and a disk that is there does not need it: to know that takes longer. */
function addressesOf({ kernel, initrd, firmware, disk, saved }: BootConfig): string[] {
  return [kernel, initrd, firmware, disk?.seed, saved].flatMap((source) =>
    source?.kind === "url" ? [source.url] : [],
  );
}
