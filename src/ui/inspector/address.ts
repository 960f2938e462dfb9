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
  return { panel, place: decodeURIComponent(place.join("/")) };
}

const current = signal(read());
addEventListener("hashchange", () => {
  current.value = read();
});

/** Undefined while the inspector is closed. */
export const address: ReadonlySignal<Address | undefined> = current;

export function go(place: string, panel: string): void {
  location.hash = `${KEY}${panel}${place === "" ? "" : `/${encodeURIComponent(place)}`}`;
}

export function close(): void {
  history.pushState(null, "", location.pathname + location.search);
  current.value = undefined;
}
