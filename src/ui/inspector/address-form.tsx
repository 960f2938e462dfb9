/** A field for an address or a symbol, which helps with the names of symbols. */
import "./address-form.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId } from "preact/hooks";
import type { Remote } from "../../inspect/calls.ts";

export interface AddressFormProps {
  readonly machine: Remote;
  readonly label: string;
  /** What is shown now. */
  readonly value: string;
  readonly onGo: (text: string) => void;
}

export function AddressForm({ machine, label, value, onGo }: AddressFormProps): JSX.Element {
  const text = useSignal(value);
  const names = useSignal<readonly string[]>([]);
  const list = useId();
  useEffect(() => {
    text.value = value;
  }, [value]);
  const suggest = async (typed: string): Promise<void> => {
    text.value = typed;
    if (typed.length < 2) return;
    const found = await machine.findSymbols(typed).catch(() => []);
    // An answer may come after more was typed.
    if (text.value === typed) names.value = found.map(({ name }) => name);
  };
  return (
    <form
      class="address-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.value.trim() !== "") onGo(text.value.trim());
      }}
    >
      <input
        type="text"
        aria-label={label}
        placeholder="Address or symbol: 0x80200000, do_idle+0x10"
        list={list}
        value={text.value}
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => void suggest(currentTarget.value)}
      />
      <datalist id={list}>
        {names.value.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <button type="submit">Go</button>
    </form>
  );
}
