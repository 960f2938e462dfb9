/** The box for the filter, with what is wrong with it and what it could say. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Remote, TimelineState } from "../../inspect/calls.ts";

/** A filter is used when nobody has typed for so many ms. */
const TYPING_MS = 250;

export interface FilterBoxProps {
  readonly machine: Remote;
  readonly filter: string;
  readonly mistake: TimelineState["mistake"];
  readonly onFilter: (filter: string) => void;
}

export function FilterBox({ machine, filter, mistake, onFilter }: FilterBoxProps): JSX.Element {
  const draft = useSignal(filter);
  const sent = useRef(filter);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // Another filter than the one typed last came by the address.
  useEffect(() => {
    if (filter !== sent.current) draft.value = filter;
    sent.current = filter;
  }, [filter]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const use = (): void => {
    clearTimeout(timer.current);
    sent.current = draft.value;
    onFilter(draft.value);
  };
  const type = (event: { readonly currentTarget: HTMLInputElement }): void => {
    draft.value = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(use, TYPING_MS);
  };
  return (
    <div class="timeline-filter">
      <input
        type="search"
        aria-label="Filter"
        aria-invalid={mistake !== undefined}
        aria-describedby="timeline-mistake"
        placeholder="dev:block op:write len>4096"
        spellcheck={false}
        autocomplete="off"
        value={draft}
        onInput={type}
        onKeyDown={(event) => event.key === "Enter" && use()}
      />
      <FilterHelp machine={machine} />
      <p id="timeline-mistake" role="status">
        {mistake && <Mistake filter={filter} mistake={mistake} />}
      </p>
    </div>
  );
}

interface MistakeProps {
  readonly filter: string;
  readonly mistake: NonNullable<TimelineState["mistake"]>;
}

/** The filter with its mistake marked, and what it is. */
function Mistake({ filter, mistake: { at, message } }: MistakeProps): JSX.Element {
  return (
    <>
      <code>
        {filter.slice(0, at)}
        <mark>{filter.slice(at) || " "}</mark>
      </code>{" "}
      {message}
    </>
  );
}

function FilterHelp({ machine }: { machine: Remote }): JSX.Element {
  const fields = useSignal<readonly { name: string; about: string }[]>([]);
  const load = async (): Promise<void> => {
    fields.value = await machine.timelineFields();
  };
  return (
    <details class="timeline-help" onToggle={() => void load()}>
      <summary>Filters</summary>
      <p>
        Terms such as <code>dev:block</code> or <code>latency&gt;100us</code>, with and, or, not and
        parentheses. A word by itself is looked for everywhere.
      </p>
      <dl>
        {fields.value.map(({ name, about }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{about}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
