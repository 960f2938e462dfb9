/** A search through all of the guest's memory, piece by piece, which can be ended. */
import "./address-form.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Remote } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import { bound } from "./bound.ts";
import { Empty, Section } from "./kit.tsx";

/** Places that are listed: who finds more, looks for too little. */
const MAX_LISTED = 500;

interface Progress {
  readonly found: readonly number[];
  readonly state: "searching" | "done" | "ended";
  readonly at: number;
}

export interface MemorySearchProps {
  readonly machine: Remote;
  readonly onGo: (physical: number) => void;
}

export function MemorySearch({ machine, onGo }: MemorySearchProps): JSX.Element {
  const text = useSignal("");
  const progress = useSignal<Progress | undefined>(undefined);
  const problem = useSignal("");
  /** Of the search that is under way; another number ends it. */
  const turn = useRef(0);
  useEffect(
    () => () => {
      turn.current++;
    },
    [],
  );
  const search = async (): Promise<void> => {
    const mine = ++turn.current;
    problem.value = "";
    let found: number[] = [];
    let next: number | undefined = 0;
    while (next !== undefined && found.length < MAX_LISTED) {
      progress.value = { found, state: "searching", at: next };
      const part: { found: readonly number[]; next: number | undefined } =
        await machine.memorySearch(text.value, next);
      if (turn.current !== mine) return;
      found = [...found, ...part.found].slice(0, MAX_LISTED);
      next = part.next;
    }
    progress.value = { found, state: next === undefined ? "done" : "ended", at: next ?? 0 };
  };
  const start = (): void => {
    search().catch((error: Error) => {
      problem.value = error.message;
      progress.value = undefined;
    });
  };
  const end = (): void => {
    turn.current++;
    if (progress.value !== undefined) progress.value = { ...progress.value, state: "ended" };
  };
  const isSearching = progress.value?.state === "searching";
  return (
    <Section title="Search">
      <form
        class="address-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (isSearching) end();
          else start();
        }}
      >
        <input
          type="text"
          aria-label="Search memory for text, bytes or an integer"
          placeholder={'"text", de ad be ef, u32 0x1234'}
          spellcheck={false}
          autocomplete="off"
          {...bound(text)}
        />
        <button type="submit">{isSearching ? "End" : "Search"}</button>
      </form>
      {problem.value !== "" && <Empty>{problem.value}</Empty>}
      {progress.value !== undefined && <Found progress={progress.value} onGo={onGo} />}
    </Section>
  );
}

function Found({
  progress,
  onGo,
}: {
  progress: Progress;
  onGo: (at: number) => void;
}): JSX.Element {
  const { found, state, at } = progress;
  const places = `${found.length} ${found.length === 1 ? "place" : "places"}`;
  const text = {
    searching: `${places} so far, now at ${hex(at)}`,
    done: `${places} in all of memory`,
    ended: `${places} until it was ended`,
  }[state];
  return (
    <>
      <output class="kit-aside">{text}</output>
      <ul class="found-places" aria-label="Places found">
        {found.map((place) => (
          <li key={place}>
            <button type="button" class="kit-link" onClick={() => onGo(place)}>
              <code>{hex(place)}</code>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
