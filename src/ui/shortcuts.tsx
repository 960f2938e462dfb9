/** Keys that are the page's and not the guest's, and the list of them. */
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Dialog } from "./dialog.tsx";

interface Shortcut {
  readonly keys: string;
  readonly what: string;
}

const SHORTCUTS: readonly Shortcut[] = [
  { keys: "Ctrl Shift L", what: "Open or close the inspector" },
  {
    keys: "Shift F6",
    what: "From the guest to the inspector, or to the toolbar while that is closed, and back",
  },
  { keys: "Ctrl Shift C", what: "Copy what is selected in the terminal" },
  { keys: "← →", what: "Between the inspector's tabs, or to move the line beside the terminal" },
  { keys: "↑ ↓ j k", what: "From request to request in the timeline" },
  { keys: "PgUp PgDn Home End", what: "By a page of requests, and to the first and the last" },
  { keys: "Esc", what: "Close the request" },
  { keys: "?", what: "This list, unless the keyboard is the guest's" },
];

export interface ShortcutActions {
  readonly onInspect: () => void;
  readonly onReturn: () => void;
  readonly onList: () => void;
}

/** Listens for them before the terminal does, which takes nearly every key. */
export function useShortcuts(actions: ShortcutActions): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const act = actionOf(event, actions);
      if (act === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    };
    document.addEventListener("keydown", press, { capture: true });
    return () => document.removeEventListener("keydown", press, { capture: true });
  });
}

/** What takes text, or every key. */
const TYPED_INTO = "input, textarea, select, canvas";
/** The guest's, from where its own listeners know the way out. */
const GUEST = ".guest-screen, .display canvas";

function actionOf(event: KeyboardEvent, actions: ShortcutActions): (() => void) | undefined {
  const { target, ctrlKey, shiftKey, altKey, metaKey, code, key } = event;
  if (!(target instanceof Element) || altKey || metaKey) return undefined;
  if (document.querySelector("dialog[open]") !== null) return undefined;
  if (ctrlKey && shiftKey && code === "KeyL") return actions.onInspect;
  if (ctrlKey) return undefined;
  if (shiftKey && key === "F6" && target.closest(GUEST) === null) return actions.onReturn;
  if (key === "?" && !target.matches(TYPED_INTO)) return actions.onList;
  return undefined;
}

/** Where the keyboard goes when it leaves the guest. */
export function leaveGuest(): void {
  const tab = document.querySelector<HTMLElement>('.inspector [role="tab"][aria-selected="true"]');
  (tab ?? document.querySelector<HTMLElement>(".toolbar button"))?.focus();
}

export interface ShortcutsDialogProps {
  readonly open: boolean;
  readonly onClose: () => void;
}

export function ShortcutsDialog({ open, onClose }: ShortcutsDialogProps): JSX.Element {
  return (
    <Dialog open={open} title="Keys of this page" onClose={onClose}>
      <dl class="shortcuts">
        {SHORTCUTS.map(({ keys, what }) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="choices">
        <button type="button" class="main" onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  );
}
