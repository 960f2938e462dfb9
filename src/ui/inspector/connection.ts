/** The page's end of a channel to the Worker, on which calls are made. */
import type { CallReply, CallRequest, Calls } from "../../inspect/calls.ts";

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

/**
 * `send` takes the other end. The last call, when nobody asks any more, is `farewell`; its answer is not
 * waited for.
 */
export function connect<R extends object>(
  send: (channel: MessagePort) => void,
  farewell?: keyof R & keyof Calls,
): Connection<R> {
  const { port1, port2 } = new MessageChannel();
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  port1.onmessage = ({ data }: MessageEvent<CallReply>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("error" in data) call?.reject(new Error(data.error));
    else call?.resolve(data.result as never);
  };
  const missing = refusalOf(() => send(port2));
  const ask = (id: number, name: keyof Calls, args: readonly unknown[]): void =>
    port1.postMessage({ id, name, args } satisfies CallRequest);
  const call = (name: keyof Calls, args: readonly unknown[]): Promise<never> =>
    new Promise((resolve, reject) => {
      if (missing !== undefined) return reject(missing);
      const id = calls++;
      waiting.set(id, { resolve, reject });
      ask(id, name, args);
    });
  return {
    remote: new Proxy({} as R, {
      get:
        (_target, name) =>
        (...args: unknown[]) =>
          call(name as keyof Calls, args),
    }),
    close: () => {
      if (farewell !== undefined) ask(calls++, farewell, []);
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
