/** Describes a machine, as a form or as JSON, shares it by its address, and starts it. */
import "./machine-panel.css";
import { type Signal, useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { isSwitchedOn } from "../boot-config.ts";
import { JsonError, type Place } from "../json-fields.ts";
import {
  addressOf,
  complaintOf,
  configOf,
  type Field,
  fromJson,
  GROUPS,
  inputOf,
  machineOf,
  toJson,
  withInput,
} from "../machine-description.ts";
import { Complaint, Subtabs } from "./kit.tsx";
import type { PanelProps } from "./panel.ts";

const VIEWS = [
  { id: "form", title: "Form" },
  { id: "json", title: "JSON" },
] as const;

interface Problem {
  readonly text: string;
  readonly field?: string;
}

export function MachinePanel({ session, place, go }: PanelProps): JSX.Element {
  const page = new URL(location.href);
  const machine = useSignal(startOf(page, place));
  /** What is typed as JSON while that is shown. */
  const text = useSignal<string | undefined>(undefined);
  const fault = useSignal("");
  const copied = useSignal("");
  const complaint = useComputed<Problem | undefined>(() =>
    fault.value === "" ? complaintOf(machine.value, page) : { text: fault.value },
  );
  const address = addressOf(machine.value, page);
  const start = (event: Event): void => {
    event.preventDefault();
    if (complaint.value !== undefined) return;
    history.replaceState(null, "", address);
    go("");
    void session.boot(configOf(machine.value, page));
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(address.href);
    copied.value = "Copied.";
  };
  const showJson = (isShown: boolean): void => {
    text.value = isShown ? toJson(machine.value) : undefined;
    fault.value = "";
  };
  return (
    <form class="machine-panel" aria-label="Machine" onSubmit={start}>
      <Subtabs
        label="Machine"
        tabs={VIEWS}
        shown={text.value === undefined ? "form" : "json"}
        onShow={(view) => showJson(view === "json")}
      />
      {text.value === undefined ? (
        <Groups machine={machine} complaint={complaint.value} />
      ) : (
        <JsonText machine={machine} text={text as Signal<string>} fault={fault} page={page} />
      )}
      <div class="machine-end">
        <Complaint text={complaint.value?.text ?? ""} />
        <div class="choices">
          <p class="machine-address">
            <a href={address.href}>{address.search || "the usual machine"}</a>
          </p>
          <span role="status">{copied.value}</span>
          <button type="button" onClick={() => void copy()}>
            Copy link
          </button>
          <button type="submit" class="main" disabled={complaint.value !== undefined}>
            Start this machine
          </button>
        </div>
      </div>
    </form>
  );
}

/** The page's machine, with what the inspector's address says beside it: `#inspect=machine/disk=a`. */
function startOf(page: URL, place: string): URLSearchParams {
  const query = new URLSearchParams(page.search);
  for (const [name, value] of new URLSearchParams(place)) query.set(name, value);
  return machineOf(query);
}

interface GroupsProps {
  readonly machine: Signal<URLSearchParams>;
  readonly complaint: Problem | undefined;
}

function Groups({ machine, complaint }: GroupsProps): JSX.Element {
  return (
    <div class="machine-groups">
      {GROUPS.map(({ title, fields }) => (
        <fieldset key={title}>
          <legend>{title}</legend>
          {fields.map((field) => (
            <FieldInput
              key={field.name}
              field={field}
              machine={machine}
              isWrong={complaint?.field === field.name}
            />
          ))}
        </fieldset>
      ))}
    </div>
  );
}

interface FieldInputProps {
  readonly field: Field;
  readonly machine: Signal<URLSearchParams>;
  readonly isWrong: boolean;
}

function FieldInput({ field, machine, isWrong }: FieldInputProps): JSX.Element {
  const { name, label, kind, usual, hint } = field;
  const change = (input: string): void => {
    machine.value = withInput(machine.value, field, input);
  };
  if (kind === "switch") {
    return (
      <label class="field switch">
        <input
          type="checkbox"
          checked={isSwitchedOn(machine.value.get(name))}
          onChange={({ currentTarget }) => change(currentTarget.checked ? "1" : "")}
        />
        <span>{label}</span>
      </label>
    );
  }
  return (
    <label class="field">
      <span>{label}</span>
      <input
        value={inputOf(field, machine.value)}
        placeholder={usual}
        inputMode={kind === "number" ? "numeric" : "text"}
        spellcheck={false}
        autocomplete="off"
        aria-invalid={isWrong}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
      <span class="hint">{hint}</span>
    </label>
  );
}

interface JsonTextProps {
  readonly machine: Signal<URLSearchParams>;
  readonly text: Signal<string>;
  /** What is wrong with the text. */
  readonly fault: Signal<string>;
  readonly page: URL;
}

function JsonText({ machine, text, fault, page }: JsonTextProps): JSX.Element {
  const read = (value: string): void => {
    text.value = value;
    fault.value = "";
    try {
      const { machine: described, places } = fromJson(value);
      machine.value = described;
      const complaint = complaintOf(described, page);
      if (complaint !== undefined) fault.value = placed(complaint, places);
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      fault.value = error.message;
    }
  };
  return (
    <textarea
      class="machine-json"
      aria-label="Machine as JSON"
      spellcheck={false}
      rows={14}
      value={text.value}
      aria-invalid={fault.value !== ""}
      onInput={({ currentTarget }) => read(currentTarget.value)}
    />
  );
}

function placed({ text, field }: Problem, places: ReadonlyMap<string, Place>): string {
  const place = field === undefined ? undefined : places.get(field);
  return place === undefined ? text : `Line ${place.line}, column ${place.column}: ${text}`;
}
