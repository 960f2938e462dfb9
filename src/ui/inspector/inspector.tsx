/** The inspector: panels beside the terminal that show the machine at work. */
import "./inspector.css";
import { useComputed, useSignal } from "@preact/signals";
import type { ComponentType, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Session } from "../session.ts";
import { address, go } from "./address.ts";
import type { PanelProps } from "./panel.ts";
import { PANELS } from "./panels.ts";
import { connectInspector } from "./remote.ts";

export function Inspector({ session }: { session: Session }): JSX.Element {
  // Each machine of the page has a Worker of its own.
  const machine = useComputed(() => {
    session.generation.value;
    return connectInspector(session);
  });
  const shown = address.value;
  const panel = PANELS.find(({ id }) => id === shown?.panel) ?? PANELS[0];
  const Shown = useSignal<ComponentType<PanelProps> | undefined>(undefined);
  useEffect(() => {
    Shown.value = undefined;
    void panel.load().then((component) => {
      Shown.value = component;
    });
  }, [panel]);
  const Content = Shown.value;
  return (
    <aside class="inspector" aria-label="Inspector">
      <div class="tabs" role="tablist" aria-label="Panels">
        {PANELS.map(({ id, title }) => (
          <button
            key={id}
            type="button"
            role="tab"
            aria-selected={id === panel.id}
            onClick={() => go("", id)}
          >
            {title}
          </button>
        ))}
      </div>
      <div class="panel-content" role="tabpanel">
        {Content && (
          <Content
            machine={machine.value}
            session={session}
            place={shown?.place ?? ""}
            go={(place, other = panel.id) => go(place, other)}
          />
        )}
      </div>
    </aside>
  );
}
