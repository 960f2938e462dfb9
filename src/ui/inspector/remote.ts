/** The page's end of calls to the Worker: the inspector's, and those that need no machine. */
import type { CallReply, CallRequest, Calls, Remote } from "../../inspect/calls.ts";
import type { HostCalls } from "../../worker/protocol.ts";
import type { Session } from "../session.ts";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** Connects to the machine of `session`; a call rejects with the reason why it could not be done. */
export function connectInspector(session: Session): Remote {
  return connect<Remote>(session, "inspect");
}

/** Connects to the Worker of `session`, whether it has a machine or not. */
export function connectHost(session: Session): HostCalls {
  return connect<HostCalls>(session, "manage");
}

function connect<R extends object>(session: Session, type: "inspect" | "manage"): R {
  const { port1, port2 } = new MessageChannel();
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  port1.onmessage = ({ data }: MessageEvent<CallReply>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new Error(data.error));
    else call?.resolve(data.result as never);
  };
  const missing = refusalOf(() => session.sendChannel({ type, channel: port2 }));
  return new Proxy({} as R, {
    get:
      (_target, name) =>
      (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          if (missing !== undefined) return reject(missing);
          const id = calls++;
          waiting.set(id, { resolve, reject });
          port1.postMessage({ id, name: name as keyof Calls, args } satisfies CallRequest);
        }),
  });
}

/** Where the page's address describes no machine there is nobody to connect to. */
function refusalOf(connecting: () => void): Error | undefined {
  try {
    connecting();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
