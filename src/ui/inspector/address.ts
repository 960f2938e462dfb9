/** What the page's address says of the inspector: `#inspect=PANEL/PLACE`. */
import { type ReadonlySignal, signal } from "@preact/signals";

interface Address {
  readonly panel: string;
  readonly place: string;
}

const KEY = "#inspect=";

function read(): Address | undefined {
  if (!location.hash.startsWith(KEY)) return undefined;
  const [panel, ...place] = location.hash.slice(KEY.length).split("/");
  return { panel, place: decoded(place.join("/")) };
}

/** An address may have been typed by a person, or cut off. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const current = signal(read());
addEventListener("hashchange", () => {
  current.value = read();
});

/** Undefined while the inspector is closed. */
export const address: ReadonlySignal<Address | undefined> = current;

function hashOf(place: string, panel: string): string {
  return `${KEY}${panel}${place === "" ? "" : `/${encodeURIComponent(place)}`}`;
}

/** Shows a place; the browser's way back leads to where one was. */
export function go(place: string, panel: string): void {
  location.hash = hashOf(place, panel);
}

/** The same without a way back, for those who only pass by. */
export function pass(place: string, panel: string): void {
  history.replaceState(null, "", hashOf(place, panel));
  current.value = { panel, place };
}

export function close(): void {
  history.pushState(null, "", location.pathname + location.search);
  current.value = undefined;
}
