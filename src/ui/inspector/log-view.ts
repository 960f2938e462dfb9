/** The log as the panel has it. */
import type { LogEntry, LogLevel } from "../../worker/protocol.ts";

/** Least first. */
export const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** As many as the Worker keeps, so that a panel that stays open does not grow. */
const ENTRIES_MAX = 2000;

export interface Filter {
  readonly least: LogLevel;
  /** Words that all have to be in an entry, in any order. */
  readonly text: string;
}

/** `news` begin with the last entry of `known`, which may have counted up. */
export function merge(known: readonly LogEntry[], news: readonly LogEntry[]): readonly LogEntry[] {
  const [first] = news;
  if (first === undefined) return known;
  if (news.length === 1 && known.at(-1)?.number === first.number) {
    // Nothing to draw if nothing has happened.
    if (known.at(-1)?.times === first.times) return known;
  }
  const kept = known.filter(({ number }) => number < first.number);
  return [...kept, ...news].slice(-ENTRIES_MAX);
}

export function matches({ level, source, text }: LogEntry, filter: Filter): boolean {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(filter.least)) return false;
  const line = `${level} ${source} ${text}`.toLowerCase();
  return filter.text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => line.includes(word));
}

/** Local time with milliseconds. */
export function timeOf({ timeMs }: LogEntry): string {
  const time = new Date(timeMs);
  const part = (value: number, digits = 2) => String(value).padStart(digits, "0");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((n) => part(n));
  return `${clock.join(":")}.${part(time.getMilliseconds(), 3)}`;
}

/** One line each: time in UTC, level, source, text. */
export function textOf(entries: readonly LogEntry[]): string {
  const lines = entries.map(({ timeMs, level, source, text, times }) => {
    const again = times > 1 ? ` (${times} times)` : "";
    return `${new Date(timeMs).toISOString()} ${level.padEnd(7)} ${source}: ${text}${again}\n`;
  });
  return lines.join("");
}
