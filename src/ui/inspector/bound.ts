/** Fields that show a signal and change it. */
import type { Signal } from "@preact/signals";

/** What an input has of the text that it is for. */
export const bound = (text: Signal<string>) => ({
  value: text.value,
  onInput: ({ currentTarget }: { readonly currentTarget: HTMLInputElement }): void => {
    text.value = currentTarget.value;
  },
});
