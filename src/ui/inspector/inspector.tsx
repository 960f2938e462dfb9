/** The inspector: panels beside the terminal that show the machine at work. */
import "./inspector.css";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { useMedia } from "../media.ts";
import type { Session } from "../session.ts";
import { address, go } from "./address.ts";
import { Empty } from "./kit.tsx";
import type { Panel } from "./panel.ts";
import { PanelHost } from "./panel-host.tsx";
import { PANELS } from "./panels.ts";
import { type Connection, connectInspector } from "./remote.ts";
import { restoreSplit, Splitter, split } from "./splitter.tsx";
import { PANEL_ID, Tabs, tabId } from "./tabs.tsx";

export interface InspectorProps {
  readonly session: Session;
  /** Whether a person has just asked for it, and not the page's address. */
  readonly takesFocus: boolean;
  readonly onClose: () => void;
}

export function Inspector({ session, takesFocus, onClose }: InspectorProps): JSX.Element {
  const isBelow = useMedia("(max-width: 900px)");
  useMemo(restoreSplit, []);
  return (
    <>
      <Splitter isBelow={isBelow} />
      <aside
        class="inspector"
        aria-label="Inspector"
        style={{ flexBasis: `${100 - split.value}%` }}
      >
        <Panels session={session} takesFocus={takesFocus} onClose={onClose} />
      </aside>
    </>
  );
}

function Panels({ session, takesFocus, onClose }: InspectorProps): JSX.Element {
  const connection = useConnection(session);
  const shown = address.value;
  const panel = PANELS.find(({ id }) => id === shown?.panel) ?? PANELS[0];
  const place = (shown?.panel === panel.id && shown.place) || "";
  const places = useRef(new Map<Panel, string>());
  places.current.set(panel, place);
  return (
    <>
      <header class="inspector-bar">
        <Tabs
          panels={PANELS}
          shown={panel}
          placeOf={(other) => places.current.get(other) ?? ""}
          takesFocus={takesFocus}
        />
        <button
          type="button"
          class="action close"
          aria-label="Back to the terminal"
          onClick={onClose}
        >
          <Icon name="close" />
          <span class="way-back">Terminal</span>
        </button>
      </header>
      <div
        key={panel.id}
        id={PANEL_ID}
        class="panel-content"
        role="tabpanel"
        aria-labelledby={tabId(panel)}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and tabs lead to their panel.
        tabIndex={0}
      >
        <h2 class="kit-unseen">{panel.title}</h2>
        {connection === undefined ? (
          <Empty>There is no machine to look into yet: start one.</Empty>
        ) : (
          <PanelHost
            key={session.generation.value}
            panel={panel}
            machine={connection.machine}
            session={session}
            place={place}
            go={(to, other = panel.id) => go(to, other)}
          />
        )}
      </div>
    </>
  );
}

/** To the machine that the page has now: each has a Worker of its own. */
function useConnection(session: Session): Connection | undefined {
  const generation = session.generation.value;
  const connection = useMemo(() => {
    try {
      return connectInspector(session);
    } catch {
      return undefined;
    }
  }, [generation]);
  useEffect(() => () => connection?.close(), [connection]);
  return connection;
}
