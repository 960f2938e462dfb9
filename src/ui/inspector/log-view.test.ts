import { describe, expect, it } from "vitest";
import type { LogEntry } from "../../worker/protocol.ts";
import { matches, merge, textOf } from "./log-view.ts";

const entry = (number: number, more: Partial<LogEntry> = {}): LogEntry => ({
  number,
  timeMs: 0,
  level: "info",
  source: "blk0",
  text: "status DRIVER_OK",
  times: 1,
  ...more,
});

describe("the log", () => {
  it("puts news behind what is known, of which the last may have counted up", () => {
    const known = [entry(0), entry(1)];
    expect(merge(known, [])).toBe(known);
    expect(merge(known, [entry(1)])).toBe(known);
    expect(merge(known, [entry(1, { times: 2 }), entry(2)])).toEqual([
      entry(0),
      entry(1, { times: 2 }),
      entry(2),
    ]);
    // What the Worker has forgotten meanwhile.
    expect(merge(known, [entry(9)])).toEqual([...known, entry(9)]);
  });

  it("filters by level and by words", () => {
    const is = (least: LogEntry["level"], text: string) => matches(entry(0), { least, text });
    expect([is("debug", ""), is("info", "ok BLK"), is("warning", ""), is("info", "net")]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("makes a line of text of each entry", () => {
    expect(textOf([entry(0, { times: 3 })])).toBe(
      "1970-01-01T00:00:00.000Z info    blk0: status DRIVER_OK (3 times)\n",
    );
  });
});
