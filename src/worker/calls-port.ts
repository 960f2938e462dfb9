/** Answers calls that come on a channel. */
import type { CallReply, CallRequest } from "../inspect/calls.ts";

type Call = (...args: readonly unknown[]) => unknown;

/** `find` gives the call of a name, and may throw why there is none. */
export function serveCalls(port: MessagePort, find: (name: string) => unknown): void {
  port.onmessage = async ({ data }: MessageEvent<CallRequest>) => {
    const { id, name, args } = data;
    try {
      const call = find(name) as Call | undefined;
      if (call === undefined) throw new Error(`there is no call “${name}”`);
      port.postMessage({ id, result: await call(...args) } satisfies CallReply);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      port.postMessage({ id, error: reason } satisfies CallReply);
    }
  };
}
