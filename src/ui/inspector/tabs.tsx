/** The tabs of the panels: one is in the tab order, and arrow keys lead to the others. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { go, pass } from "./address.ts";
import type { Panel } from "./panel.ts";

export interface TabsProps {
  readonly panels: readonly Panel[];
  readonly shown: Panel;
  /** Where a panel was when it was left. */
  readonly placeOf: (panel: Panel) => string;
  /** Whether the shown tab takes the keyboard when the tabs appear. */
  readonly takesFocus: boolean;
}

/** Ids of the elements that name each other. */
export const PANEL_ID = "inspector-panel";
export const tabId = ({ id }: Panel): string => `inspector-tab-${id}`;

export function Tabs({ panels, shown, placeOf, takesFocus }: TabsProps): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const tabOf = (panel: Panel) =>
    list.current?.querySelector<HTMLElement>(`#${CSS.escape(tabId(panel))}`);
  useEffect(() => {
    if (takesFocus) tabOf(shown)?.focus();
  }, []);
  const step = (event: KeyboardEvent): void => {
    const next = nextIndex(event.key, panels.indexOf(shown), panels.length);
    if (next === undefined) return;
    event.preventDefault();
    pass(placeOf(panels[next]), panels[next].id);
    tabOf(panels[next])?.focus();
  };
  return (
    <div ref={list} class="tabs" role="tablist" aria-label="Panels" onKeyDown={step}>
      {panels.map((panel) => (
        <button
          key={panel.id}
          id={tabId(panel)}
          type="button"
          role="tab"
          aria-selected={panel === shown}
          aria-controls={PANEL_ID}
          tabIndex={panel === shown ? 0 : -1}
          onClick={() => go(placeOf(panel), panel.id)}
        >
          {panel.title}
        </button>
      ))}
    </div>
  );
}

function nextIndex(key: string, index: number, count: number): number | undefined {
  switch (key) {
    case "ArrowRight":
      return (index + 1) % count;
    case "ArrowLeft":
      return (index + count - 1) % count;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return undefined;
  }
}
