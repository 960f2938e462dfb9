/** How long the page's own thread is busy at a time, by Chromium's trace. */
import type { Page } from "@playwright/test";

/** One event of a trace; times in µs, those of `tdur` on the processor. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string; readonly data?: Frame & { readonly frames?: Frame[] } };
}

interface Frame {
  readonly url?: string;
  readonly processId?: number;
}

const CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"];

/** The tasks of the page while something is done, each in ms of the processor. */
export async function tasksDuring(page: Page, work: () => Promise<void>): Promise<number[]> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: CATEGORIES });
  await work();
  const { origin } = new URL(page.url());
  const { traceEvents } = JSON.parse(`${await browser.stopTracing()}`);
  const events = traceEvents as TraceEvent[];
  // Shown when the trace began, or since. The browser has renderers for itself too.
  const frames = events.flatMap(({ args: { data } }) => data?.frames ?? (data ? [data] : []));
  const shown = frames.findLast(({ url, processId }) => processId && url?.startsWith(origin));
  const thread = events.find(
    ({ name, pid, args }) =>
      name === "thread_name" && args.name === "CrRendererMain" && pid === shown?.processId,
  );
  const end = Math.max(...events.map(({ ts }) => ts));
  return (
    events
      .filter(
        ({ name, pid, tid }) => name === "RunTask" && pid === thread?.pid && tid === thread?.tid,
      )
      // One that goes on when the trace ends has taken until then at most.
      .map(({ ts, tdur = end - ts }) => tdur / 1000)
  );
}
