/** What the forms of dialogs are made of. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ConfigError } from "./config-error.ts";

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
