/** What happened to the machine, from its start: filtered, paused, copied and saved. */
import "./log-panel.css";
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LogEntry, LogLevel } from "../../worker/protocol.ts";
import { saveBlob } from "../save-file.ts";
import { Empty } from "./kit.tsx";
import { type Filter, LEVELS, matches, merge, textOf, timeOf } from "./log-view.ts";
import { type PanelProps, useLook } from "./panel.ts";
import { connectHost, useRemote } from "./remote.ts";

/** The log is for reading: more often would only cost. */
const LOOK_MS = 500;

/** Each level has a mark of its own, so that colour alone tells nothing. */
const MARKS: Record<LogLevel, string> = { debug: "·", info: "i", warning: "!", error: "×" };

export function LogPanel({ session }: PanelProps): JSX.Element {
  const generation = session.generation.value;
  const host = useRemote(session, connectHost);
  const entries = useSignal<readonly LogEntry[]>([]);
  const isPaused = useSignal(false);
  const filter = useSignal<Filter>({ least: "info", text: "" });
  useEffect(() => {
    entries.value = [];
  }, [generation]);
  const { error } = useLook(
    async () => {
      if (isPaused.value) return;
      entries.value = merge(entries.value, await host.log(entries.value.at(-1)?.number ?? 0));
    },
    [host],
    LOOK_MS,
  ).value;
  const shown = useComputed(() => entries.value.filter((entry) => matches(entry, filter.value)));
  const save = (): void =>
    saveBlob(new Blob([textOf(shown.value)], { type: "text/plain" }), "tabvisor.log");
  return (
    <section class="log-panel" aria-label="Log">
      <div class="log-bar">
        <label class="log-choice">
          <span>Level</span>
          <select
            value={filter.value.least}
            onChange={({ currentTarget }) => {
              filter.value = { ...filter.value, least: currentTarget.value as LogLevel };
            }}
          >
            {LEVELS.map((level) => (
              <option key={level} value={level}>
                {level === "error" ? "errors" : `${level} and worse`}
              </option>
            ))}
          </select>
        </label>
        <input
          type="search"
          aria-label="Filter by text"
          placeholder="blk0, reset, …"
          value={filter.value.text}
          onInput={({ currentTarget }) => {
            filter.value = { ...filter.value, text: currentTarget.value };
          }}
        />
        <button
          type="button"
          aria-pressed={isPaused.value}
          onClick={() => {
            isPaused.value = !isPaused.value;
          }}
        >
          Pause
        </button>
        <button
          type="button"
          onClick={() => void navigator.clipboard.writeText(textOf(shown.value))}
        >
          Copy
        </button>
        <button type="button" onClick={save}>
          Save…
        </button>
      </div>
      <Entries entries={shown.value} error={error} hasAny={entries.value.length > 0} />
    </section>
  );
}

interface EntriesProps {
  readonly entries: readonly LogEntry[];
  readonly error: string | undefined;
  readonly hasAny: boolean;
}

/** The newest are at the end, and in sight unless somebody has scrolled away from them. */
function Entries({ entries, error, hasAny }: EntriesProps): JSX.Element {
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (isAtEnd.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  });
  if (entries.length === 0) {
    const hint = hasAny ? "Nothing of this level has these words." : "Nothing happened yet.";
    return <Empty>{error ?? hint}</Empty>;
  }
  return (
    <ol
      class="log-entries"
      ref={list}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard.
      tabIndex={0}
      aria-label="Entries"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isAtEnd.current = scrollTop + clientHeight > scrollHeight - 8;
      }}
    >
      {entries.map((entry) => (
        <li key={entry.number} data-level={entry.level}>
          <time>{timeOf(entry)}</time>
          <span class="mark" role="img" aria-label={entry.level} title={entry.level}>
            {MARKS[entry.level]}
          </span>
          <span class="source">{entry.source}</span>
          <span class="text">
            {entry.text}
            {entry.times > 1 && <span class="times">{` ×${entry.times}`}</span>}
          </span>
        </li>
      ))}
    </ol>
  );
}
