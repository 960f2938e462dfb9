/** The bar above the terminal: what the machine does, and the buttons. */
import type { JSX } from "preact";
import { canBeSaved, type MachineState } from "../worker/protocol.ts";
import { formatMips } from "./format.ts";
import { Icon, type IconName } from "./icons.tsx";
import type { Session } from "./session.ts";

const STATE_NAMES: Record<MachineState, string> = {
  loading: "Loading",
  running: "Running",
  idle: "Idle",
  held: "Held",
  saving: "Saving",
  stopped: "Stopped",
  panic: "Panic",
  failed: "Failed",
};

export interface ToolbarProps {
  readonly session: Session;
  readonly onOpen: () => void;
  readonly onResetDisk: () => void;
  readonly onGrowDisk: () => void;
  readonly isInspected: boolean;
  readonly onInspect: () => void;
  readonly onShortcuts: () => void;
}

export function Toolbar(props: ToolbarProps): JSX.Element {
  const { session, onOpen, onResetDisk, onGrowDisk } = props;
  const hasDisk = session.config.value?.disk !== undefined;
  const state = session.state.value;
  const isOn = state !== "stopped" && state !== "failed";
  return (
    <header class="toolbar">
      <h1 class="brand">tabvisor</h1>
      <output class="pill" data-state={state} aria-label="Machine state">
        {STATE_NAMES[state]}
      </output>
      <Speed session={session} />
      <div class="actions" role="toolbar" aria-label="Machine">
        <Action icon="restart" label="Restart" onClick={() => session.restart()} />
        {isOn ? (
          <Action icon="power" label="Power off" onClick={() => session.powerOff()} />
        ) : (
          <Action icon="start" label="Start" onClick={() => session.restart()} />
        )}
        <Action
          icon="save"
          label="Save machine"
          onClick={() => session.save()}
          disabled={!canBeSaved(state)}
        />
        <Action icon="files" label="Open…" onClick={onOpen} />
        <Action icon="erase" label="Reset disk" onClick={onResetDisk} disabled={!hasDisk} />
        <Action
          icon="grow"
          label="Grow disk"
          onClick={onGrowDisk}
          disabled={!hasDisk || session.stats.value.diskCapacity === 0}
        />
        <Action
          icon="inspect"
          label="Inspector"
          onClick={props.onInspect}
          isPressed={props.isInspected}
        />
        <Action icon="expand" label="Full screen" onClick={toggleFullScreen} />
        <Action icon="keys" label="Keys" onClick={props.onShortcuts} />
      </div>
    </header>
  );
}

function Speed({ session }: { session: Session }): JSX.Element {
  const { mips, busy } = session.stats.value;
  return (
    <span class="speed" title={`The hart is busy ${Math.round(busy * 100)}% of the time`}>
      <span class="figure">{formatMips(mips)}</span> MIPS
    </span>
  );
}

interface ActionProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly disabled?: boolean;
  /** For a button that switches something on and off. */
  readonly isPressed?: boolean;
}

function Action(props: ActionProps): JSX.Element {
  const { icon, label, onClick, disabled = false, isPressed } = props;
  return (
    <button
      type="button"
      class="action"
      title={label}
      onClick={onClick}
      disabled={disabled}
      aria-pressed={isPressed}
    >
      <Icon name={icon} />
      <span class="label">{label}</span>
    </button>
  );
}

function toggleFullScreen(): void {
  if (document.fullscreenElement !== null) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen();
}
