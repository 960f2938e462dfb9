/** Control of the machine: hold it, step it, stop it somewhere, and change its registers. */
import "./control-panel.css";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useCallback, useEffect } from "preact/hooks";
import type { DebugView, Move } from "../../inspect/calls.ts";
import { hex } from "./address-text.ts";
import { type Act, placeText } from "./control-act.ts";
import { BreakpointForm, Points, WatchpointForm } from "./control-points.tsx";
import { ControlRegisters } from "./control-registers.tsx";
import { Badge, Empty, Fault, Section } from "./kit.tsx";
import { type PanelProps, useAttempt, useLook } from "./panel.ts";
import { PlaceForm } from "./place-form.tsx";
import { useSymbols } from "./symbol-source.ts";

interface Control {
  readonly label: string;
  readonly title: string;
  readonly key: string;
  readonly move: Move;
}

const CONTROLS: readonly Control[] = [
  { label: "Step", title: "Execute one instruction (F11)", key: "F11", move: "step" },
  {
    label: "Step over",
    title: "Execute one instruction, and what it calls (F10)",
    key: "F10",
    move: "step-over",
  },
  {
    label: "Step out",
    title: "Run until this function has returned (Shift+F11)",
    key: "Shift+F11",
    move: "step-out",
  },
];

export function ControlPanel({ machine, session }: PanelProps): JSX.Element {
  useSymbols(machine, session);
  const asked = useSignal(0);
  const look = useLook(() => machine.debugState(), [machine, asked.value]);
  const { attempt, problem } = useAttempt();
  const act: Act = useCallback(
    async (what) => {
      await attempt(() => what(machine));
      asked.value++;
    },
    [machine],
  );
  const { value: view, error } = look.value;
  useKeys(act, view);
  if (view === undefined) return <Empty>{error ?? ""}</Empty>;
  return (
    <div class="control">
      <Bar view={view} act={act} />
      <p class="control-problem" role="status">
        {problem !== undefined && <Fault what="That was not done." reason={problem} />}
      </p>
      <Code view={view} />
      <Section title="Breakpoints">
        <Points
          label="Breakpoints"
          points={view.breakpoints}
          describe={({ condition = "", ignore = 0 }) =>
            [condition, ignore > 0 ? `after ${ignore}` : ""]
              .filter((text) => text !== "")
              .join(", ")
          }
          onEnable={(id, isOn) => act((m) => m.enableBreakpoint(id, isOn))}
          onRemove={(id) => act((m) => m.removeBreakpoint(id))}
          empty="None. A breakpoint holds the machine before an instruction, such as vfs_write."
        />
        <BreakpointForm act={act} />
      </Section>
      <Section title="Watchpoints">
        <Points
          label="Watchpoints"
          points={view.watchpoints}
          describe={({ kind, length }) => `${kind}, ${length} bytes`}
          onEnable={(id, isOn) => act((m) => m.enableWatchpoint(id, isOn))}
          onRemove={(id) => act((m) => m.removeWatchpoint(id))}
          empty="None. A watchpoint holds the machine after an access to memory, such as jiffies."
        />
        <WatchpointForm act={act} />
      </Section>
      <ControlRegisters view={view} act={act} />
      <Gdb view={view} act={act} />
    </div>
  );
}

/** The keys of other debuggers, where the guest does not get them. */
function useKeys(act: Act, view: DebugView | undefined): void {
  useEffect(() => {
    if (view === undefined) return;
    const onKeyDown = (event: KeyboardEvent): void => {
      const isHere = event.target instanceof Element && event.target.closest(".inspector") !== null;
      const key = `${event.shiftKey ? "Shift+" : ""}${event.key}`;
      const control = CONTROLS.find((one) => one.key === key);
      if (!isHere || (control === undefined && key !== "F8")) return;
      event.preventDefault();
      if (control === undefined) void toggle(act, view);
      else if (view.isHeld) void act((m) => m.debugMove(control.move));
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [act, view]);
}

const toggle = (act: Act, { isHeld }: DebugView): Promise<void> =>
  act((m) => (isHeld ? m.debugMove("continue") : m.debugHold()));

function Bar({ view, act }: { view: DebugView; act: Act }): JSX.Element {
  const { isHeld, mode } = view;
  return (
    <div class="control-bar">
      <div role="toolbar" aria-label="Execution">
        <button
          type="button"
          class={isHeld ? "main" : ""}
          title={isHeld ? "Let the machine go on (F8)" : "Hold the machine (F8)"}
          onClick={() => void toggle(act, view)}
        >
          {isHeld ? "Continue" : "Hold"}
        </button>
        {CONTROLS.map(({ label, title, move }) => (
          <button
            key={move}
            type="button"
            title={title}
            disabled={!isHeld}
            onClick={() => void act((m) => m.debugMove(move))}
          >
            {label}
          </button>
        ))}
      </div>
      <RunTo act={act} isHeld={isHeld} />
      <p class="control-state" role="status">
        <Badge tone={isHeld ? "warn" : "busy"}>{isHeld ? "Held" : "Running"}</Badge>
        {isHeld && (
          <>
            <span>{reasonOf(view)}</span>
            <Badge>{mode}-mode</Badge>
            <code>{placeText(view.pc, view.symbol)}</code>
          </>
        )}
      </p>
    </div>
  );
}

function RunTo({ act, isHeld }: { act: Act; isHeld: boolean }): JSX.Element {
  const place = useSignal("");
  return (
    <PlaceForm
      label="Run to address or symbol"
      place={place}
      submit="Run to"
      isOff={!isHeld}
      onSubmit={() => act((m) => m.debugRunTo(place.value))}
    />
  );
}

const GDB_STATES = {
  off: "Off.",
  connecting: "Asking the relay.",
  refused: "The relay has no port for GDB: start it with --gdb PORT.",
  waiting: "Waiting: in gdb-multiarch, target remote :PORT with the port of the relay's --gdb.",
  connected: "A client is connected.",
} as const;

function Gdb({ view: { gdb = "refused" }, act }: { view: DebugView; act: Act }): JSX.Element {
  const isOff = gdb === "off" || gdb === "refused";
  return (
    <Section
      title="GDB"
      aside={
        <button type="button" onClick={() => void act((m) => m.serveGdb(isOff))}>
          {isOff ? "Serve" : "End"}
        </button>
      }
    >
      <p role="status">{GDB_STATES[gdb]}</p>
    </Section>
  );
}

function Code({ view }: { view: DebugView }): JSX.Element {
  return (
    <Section title="Next">
      <ol class="control-code">
        {!view.isHeld && <li class="kit-aside">Hold the machine to see its next instructions.</li>}
        {view.code.map(({ address, label, text, targetText }) => (
          <li key={String(address)} aria-current={address === view.pc ? "step" : undefined}>
            <code>
              <span class="control-address">{hex(address)}</span>
              {label !== undefined && <span class="control-label">{`${label}: `}</span>}
              {text}
              {targetText !== undefined && <span class="control-label">{`  ${targetText}`}</span>}
            </code>
          </li>
        ))}
      </ol>
    </Section>
  );
}

function reasonOf({ stop }: DebugView): string {
  switch (stop?.kind) {
    case "breakpoint":
      return "at a breakpoint";
    case "watchpoint":
      return `after an access to ${hex(stop.address)}`;
    case "step":
      return "after a step";
    case "reached":
      return "where it was to go";
    default:
      return "as it was asked to";
  }
}
