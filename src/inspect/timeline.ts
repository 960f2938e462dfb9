/** The record of a machine's requests, and what can be asked of it. */
import { onePerMachine } from "./one-per-machine.ts";
import type { TimedSubject } from "./subject.ts";
import { type ExportKind, FILTER_FIELDS, Timeline } from "./timeline/timeline.ts";

const timelineOf = onePerMachine((subject: TimedSubject) => {
  const timeline = new Timeline(subject);
  timeline.recorder.start();
  return timeline;
});

export const timelineCalls = (subject: TimedSubject) => {
  let used: Timeline | undefined;
  const timeline = (): Timeline => {
    used = timelineOf(subject);
    return used;
  };
  return {
    /** How far the record is, seen through a filter. The first look begins it. */
    timeline: (filter: string) => timeline().look(filter),
    /** Requests by their index in a revision; none once there is another one. */
    timelineRows: (from: number, count: number, revision: number) =>
      timeline().rows(from, count, revision),
    /** All of one request by its number; undefined once it had to make room. */
    timelineRequest: (seq: number) => timeline().detail(seq),
    timelineLatencies: () => timeline().latencies(),
    timelineRecord: (isOn: boolean): void => {
      const { recorder } = timeline();
      if (isOn) recorder.start();
      else recorder.stop();
    },
    /** The inspector is closed: nothing is recorded until the next look. */
    timelineRest: (): void => used?.recorder.rest(),
    timelineClear: (): void => timeline().recorder.clear(),
    /** What filters can ask for. */
    timelineFields: () => FILTER_FIELDS,
    /** Begins a file of the requests that the filter lets through. */
    timelineExport: (kind: ExportKind): void => timeline().beginExport(kind),
    /** The next piece of it; undefined at its end. */
    timelineExportNext: () => timeline().nextOfExport(),
  };
};
