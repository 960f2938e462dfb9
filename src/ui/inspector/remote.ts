/** The page's end of the inspector's calls. */
import type { CallReply, CallRequest, Calls, Remote } from "../../inspect/calls.ts";
import type { Session } from "../session.ts";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export interface Connection {
  /** A call rejects with the reason why it could not be done. */
  readonly machine: Remote;
  /** Nobody asks any more; what is still to be answered rejects. */
  close(): void;
}

/** Connects to the machine of `session`. @throws Error without a machine. */
export function connectInspector(session: Session): Connection {
  const { port1, port2 } = new MessageChannel();
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  port1.onmessage = ({ data }: MessageEvent<CallReply>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new Error(data.error));
    else call?.resolve(data.result as never);
  };
  session.sendChannel({ type: "inspect", channel: port2 });
  const call = (name: keyof Calls, args: readonly unknown[]): Promise<never> =>
    new Promise((resolve, reject) => {
      const id = calls++;
      waiting.set(id, { resolve, reject });
      port1.postMessage({ id, name, args } satisfies CallRequest);
    });
  return {
    machine: new Proxy({} as Remote, {
      get:
        (_target, name) =>
        (...args: unknown[]) =>
          call(name as keyof Calls, args),
    }),
    close: () => {
      port1.close();
      for (const { reject } of waiting.values()) reject(new Error("the inspector was closed"));
      waiting.clear();
    },
  };
}
