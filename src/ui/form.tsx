/** What the forms of dialogs are made of. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ConfigError } from "./config-error.ts";
import { formatBytes } from "./format.ts";

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** Of digits; a phone then shows them. */
  readonly numeric?: boolean;
}

export function TextField({ label, value, onInput, numeric }: TextFieldProps): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        value={value}
        inputMode={numeric === true ? "numeric" : undefined}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}

export interface FileFieldProps {
  readonly label: string;
  /** What is picked, or what may be. */
  readonly hint: string;
  /** Default: one file. */
  readonly picks?: "files" | "directory";
  readonly onPick: (files: readonly File[]) => void;
}

/** The label is what is seen of it; the field that lies over it is there for keys and screen readers. */
export function FileField({ label, hint, picks, onPick }: FileFieldProps): JSX.Element {
  return (
    <label class="field file">
      <span>{label}</span>
      <span class="hint">{hint}</span>
      <input
        type="file"
        aria-label={label}
        multiple={picks !== undefined}
        ref={(input) => {
          if (input !== null) input.webkitdirectory = picks === "directory";
        }}
        onChange={({ currentTarget }) => onPick([...(currentTarget.files ?? [])])}
      />
    </label>
  );
}

/** A file as its field shows it. */
export const fileText = (file: File): string => `${file.name}, ${formatBytes(file.size)}`;

export interface ChoicesProps {
  /** What the form does. */
  readonly submit: string;
  readonly onCancel: () => void;
}

/** The buttons at a form's end. */
export function Choices({ submit, onCancel }: ChoicesProps): JSX.Element {
  return (
    <div class="choices">
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      <button type="submit" class="main">
        {submit}
      </button>
    </div>
  );
}

/** Makes a form's handler of `work`; what a `ConfigError` says is to be shown above its buttons. */
export function useForm(work: () => void): {
  readonly onSubmit: (event: Event) => void;
  readonly complaint: JSX.Element;
} {
  const [text, setText] = useState("");
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    try {
      work();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      setText(error.message);
    }
  };
  const complaint = (
    <p class="complaint" role="alert">
      {text}
    </p>
  );
  return { onSubmit, complaint };
}
