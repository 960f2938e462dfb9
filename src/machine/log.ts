/** A bounded log of what happened to a machine: kept from the start, since nobody looks at first. */
import type { LogLevel } from "../virtio/report.ts";
import type { Clock } from "./clock.ts";

/** Entries that are kept: a boot makes about 60, and all of them take less than a megabyte. */
export const LOG_ENTRIES_MAX = 2000;

/** Characters of a text, some of which have words of the guest in them, such as a panic. */
export const LOG_TEXT_MAX = 1000;

export interface LogEntry {
  /** Counts from 0, also those that are not kept any more. */
  readonly number: number;
  /** Of the last time, in ms since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** Who told, such as `blk0`. */
  readonly source: string;
  readonly text: string;
  /** How often it happened in a row. */
  readonly times: number;
}

export class Log {
  readonly #clock: Pick<Clock, "wallClockMs">;
  readonly #entries: LogEntry[] = [];
  #next = 0;

  constructor(clock: Pick<Clock, "wallClockMs">) {
    this.#clock = clock;
  }

  /** What is told again and again counts up in the entry that it has, so that it hides nothing else. */
  add(level: LogLevel, source: string, text: string): void {
    const kept = text.slice(0, LOG_TEXT_MAX);
    const timeMs = this.#clock.wallClockMs();
    const last = this.#entries.at(-1);
    if (last?.text === kept && last.source === source && last.level === level) {
      this.#entries[this.#entries.length - 1] = { ...last, timeMs, times: last.times + 1 };
      return;
    }
    this.#entries.push({ number: this.#next++, timeMs, level, source, text: kept, times: 1 });
    if (this.#entries.length > LOG_ENTRIES_MAX) this.#entries.shift();
  }

  /** The entries from number `from` on, oldest first. The newest may still count up. */
  since(from: number): readonly LogEntry[] {
    const first = this.#next - this.#entries.length;
    return this.#entries.slice(Math.max(0, from - first));
  }
}
