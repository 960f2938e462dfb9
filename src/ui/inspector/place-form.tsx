/** A form about an address of the guest's. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { bound } from "./bound.ts";

export interface PlaceFormProps {
  /** What the address is for. */
  readonly label: string;
  readonly place: Signal<string>;
  /** What the button does. */
  readonly submit: string;
  readonly isOff?: boolean;
  readonly onSubmit: () => Promise<void>;
  /** Fields beside that of the address. */
  readonly children?: ComponentChildren;
}

export function PlaceForm(props: PlaceFormProps): JSX.Element {
  const { label, place, submit, isOff = false, onSubmit, children } = props;
  return (
    <form
      class="control-form"
      onSubmit={(event) => {
        event.preventDefault();
        void onSubmit();
      }}
    >
      <input
        aria-label={label}
        placeholder="symbol or hex address"
        spellcheck={false}
        {...bound(place)}
      />
      {children}
      <button type="submit" disabled={isOff || place.value.trim() === ""}>
        {submit}
      </button>
    </form>
  );
}
