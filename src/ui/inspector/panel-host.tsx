/** Loads the code of a panel and shows it; a panel that fails takes nothing else with it. */
import { useSignal } from "@preact/signals";
import { Component, type ComponentChildren, type ComponentType, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Fault } from "./kit.tsx";
import type { Panel, PanelProps } from "./panel.ts";

export interface PanelHostProps extends PanelProps {
  readonly panel: Panel;
}

/** What has been loaded is shown at once. */
const loaded = new Map<string, ComponentType<PanelProps>>();

/** To be given a key that changes with the panel and with the machine: a panel starts anew then. */
export function PanelHost({ panel, ...props }: PanelHostProps): JSX.Element | null {
  const [attempt, setAttempt] = useState(0);
  const again = (): void => setAttempt(attempt + 1);
  const failure = useSignal<Error | undefined>(undefined);
  const [Content, setContent] = useState(() => loaded.get(panel.id));
  useEffect(() => {
    failure.value = undefined;
    if (loaded.has(panel.id)) return;
    panel.load().then(
      (code) => {
        loaded.set(panel.id, code);
        setContent(() => code);
      },
      (error: Error) => {
        failure.value = error;
      },
    );
  }, [attempt]);
  if (failure.value !== undefined) {
    return <Failure what="This panel could not be loaded:" error={failure.value} again={again} />;
  }
  if (Content === undefined) return null;
  return (
    <Boundary key={attempt} again={again}>
      <Content {...props} />
    </Boundary>
  );
}

interface BoundaryProps {
  readonly again: () => void;
  readonly children: ComponentChildren;
}

class Boundary extends Component<BoundaryProps, { error?: Error }> {
  static override getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render(): ComponentChildren {
    const { error } = this.state;
    const { again, children } = this.props;
    if (error === undefined) return children;
    return <Failure what="This panel failed:" error={error} again={again} />;
  }
}

interface FailureProps {
  readonly what: string;
  readonly error: Error;
  readonly again: () => void;
}

function Failure({ what, error, again }: FailureProps): JSX.Element {
  return (
    <div role="alert">
      <Fault what={what} reason={error.message} />
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  );
}
