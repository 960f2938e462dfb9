/** Answers the calls that come on a channel from the page's inspector. */
import { type CallReply, type CallRequest, type Calls, createCalls } from "../inspect/calls.ts";
import type { Subject } from "../inspect/subject.ts";

/** `subject` gives what there is to inspect now; undefined while there is no machine. */
export function serveInspector(port: MessagePort, subject: () => Subject | undefined): void {
  let current: { readonly subject: Subject; readonly calls: Calls } | undefined;
  const callsNow = (): Calls => {
    const now = subject();
    if (now === undefined) throw new Error("the machine has not started");
    if (current?.subject !== now) current = { subject: now, calls: createCalls(now) };
    return current.calls;
  };
  port.onmessage = async ({ data }: MessageEvent<CallRequest>) => {
    const { id, name, args } = data;
    try {
      const call = callsNow()[name] as (...args: readonly unknown[]) => unknown;
      port.postMessage({ id, result: await call(...args) } satisfies CallReply);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      port.postMessage({ id, error: reason } satisfies CallReply);
    }
  };
}
