import { describe, expect, it } from "vitest";
import { LOG_ENTRIES_MAX, LOG_TEXT_MAX, Log } from "./log.ts";

describe("Log", () => {
  it("keeps the newest entries, numbered as they came", () => {
    const log = new Log({ wallClockMs: () => 7 });
    for (let i = 0; i < LOG_ENTRIES_MAX + 5; i++) log.add("info", "blk0", `event ${i}`);
    const all = log.since(0);
    expect(all).toHaveLength(LOG_ENTRIES_MAX);
    expect(all[0]).toEqual({
      number: 5,
      timeMs: 7,
      level: "info",
      source: "blk0",
      text: "event 5",
      times: 1,
    });
    expect(log.since(LOG_ENTRIES_MAX + 3).map(({ text }) => text)).toEqual([
      `event ${LOG_ENTRIES_MAX + 3}`,
      `event ${LOG_ENTRIES_MAX + 4}`,
    ]);
    expect(log.since(1e9)).toEqual([]);
  });

  it("counts what is told in a row, and bounds what one entry says", () => {
    let now = 0;
    const log = new Log({ wallClockMs: () => now++ });
    log.add("warning", "net0", "x".repeat(2 * LOG_TEXT_MAX));
    for (let i = 0; i < 3; i++) log.add("warning", "net0", "again");
    log.add("error", "net0", "again");
    expect(log.since(0).map(({ text, times, timeMs }) => [text.length, times, timeMs])).toEqual([
      [LOG_TEXT_MAX, 1, 0],
      [5, 3, 3],
      [5, 1, 4],
    ]);
  });
});
