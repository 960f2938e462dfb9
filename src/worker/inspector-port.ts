/** Answers the calls that come on a channel from the page's inspector. */
import { type Calls, createCalls } from "../inspect/calls.ts";
import type { TimedSubject } from "../inspect/subject.ts";
import { serveCalls } from "./calls-port.ts";

/** `subject` gives what there is to inspect now; undefined while there is no machine. */
export function serveInspector(port: MessagePort, subject: () => TimedSubject | undefined): void {
  let current: { readonly subject: TimedSubject; readonly calls: Calls } | undefined;
  serveCalls(port, (name) => {
    const now = subject();
    if (now === undefined) throw new Error("the machine has not started");
    if (current?.subject !== now) current = { subject: now, calls: createCalls(now) };
    return current.calls[name as keyof Calls];
  });
}
