/** The page's end of calls to the Worker: the inspector's, and those that need no machine. */
import { useEffect, useMemo } from "preact/hooks";
import type { CallReply, CallRequest, Calls, Remote } from "../../inspect/calls.ts";
import type { HostCalls } from "../../worker/protocol.ts";
import type { Session } from "../session.ts";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

export interface Connection<R> {
  /** A call rejects with the reason why it could not be done. */
  readonly remote: R;
  /** Nobody asks any more; what is still to be answered rejects. */
  close(): void;
}

/** Connects to the machine of `session`; with its end nothing goes on for somebody who looks. */
export function connectInspector(session: Session): Connection<Remote> {
  const { remote, close } = connect<Remote>(session, "inspect");
  const leave = (): void => {
    // There may be no machine, and no answer is waited for.
    remote.timelineRest().catch(() => {});
    close();
  };
  return { remote, close: leave };
}

/** Connects to the Worker of `session`, whether it has a machine or not. */
export const connectHost = (session: Session): Connection<HostCalls> => connect(session, "manage");

/** A connection to the Worker that the page has now, for as long as the component is shown. */
export function useRemote<R>(session: Session, connectTo: (session: Session) => Connection<R>): R {
  const generation = session.generation.value;
  const connection = useMemo(() => connectTo(session), [generation]);
  useEffect(() => () => connection.close(), [connection]);
  return connection.remote;
}

function connect<R extends object>(session: Session, type: "inspect" | "manage"): Connection<R> {
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
  const call = (name: keyof Calls, args: readonly unknown[]): Promise<never> =>
    new Promise((resolve, reject) => {
      if (missing !== undefined) return reject(missing);
      const id = calls++;
      waiting.set(id, { resolve, reject });
      port1.postMessage({ id, name, args } satisfies CallRequest);
    });
  return {
    remote: new Proxy({} as R, {
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

/** Where the page's address describes no machine there is nobody to connect to. */
function refusalOf(connecting: () => void): Error | undefined {
  try {
    connecting();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
