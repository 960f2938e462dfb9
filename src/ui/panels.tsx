/** What is shown over the terminal: loading, errors, the end of a machine, and questions. */
import type { JSX } from "preact";
import type { ExitReason, ImageName, Problem } from "../worker/protocol.ts";
import { EraseDialog } from "./dialog.tsx";
import { formatBytes } from "./format.ts";
import { go } from "./inspector/address.ts";
import type { Exit, Progress, Session } from "./session.ts";

/** Bytes of every image that is being fetched. */
export function LoadingPanel({ session }: { session: Session }): JSX.Element | null {
  const progress = session.progress.value;
  if (session.state.value !== "loading" || progress.size === 0) return null;
  return (
    <section class="panel loading" aria-label="Loading">
      {[...progress].map(([image, part]) => (
        <ImageProgress key={image} image={image} part={part} />
      ))}
      <div class="choices">
        <button type="button" onClick={() => session.powerOff()}>
          Cancel
        </button>
      </div>
    </section>
  );
}

function ImageProgress({ image, part }: { image: ImageName; part: Progress }): JSX.Element {
  const total = part.total === undefined ? "" : ` of ${formatBytes(part.total)}`;
  const value = part.total === undefined ? {} : { max: part.total, value: part.loaded };
  return (
    <label class="image">
      <span>{image}</span>
      <span class="figure">{`${formatBytes(part.loaded)}${total}`}</span>
      <progress {...value} />
    </label>
  );
}

/** Tells why there is no machine, and what to do. */
export function ProblemPanel({ session, onOpen, onReset }: PanelProps): JSX.Element | null {
  const problem = session.problem.value;
  if (problem === undefined) return null;
  return (
    <section class="panel" data-tone="bad" role="alert" tabIndex={-1} ref={takeFocus}>
      <h2>{problem.what}</h2>
      <p>{problem.advice}</p>
      <div class="choices">
        <Remedies session={session} onOpen={onOpen} onReset={onReset} remedy={problem.remedy} />
        <button type="button" class="main" onClick={() => session.restart()}>
          Try again
        </button>
      </div>
    </section>
  );
}

interface RemediesProps extends PanelProps {
  readonly remedy: Problem["remedy"];
}

/** The buttons for what may help, beside trying again. */
function Remedies({ session, onOpen, onReset, remedy }: RemediesProps): JSX.Element {
  const withoutDisk = (): void => {
    const { disk: _, ...config } = session.config.value!;
    void session.boot(config);
  };
  switch (remedy) {
    case "no-disk":
      return <Choice label="Start without a disk" onClick={withoutDisk} />;
    case "reset-disk":
      return <Choice label="Reset disk…" onClick={onReset} />;
    case "start-anew":
      return (
        <>
          <Choice label="Open…" onClick={onOpen} />
          <Choice label="Start anew" onClick={() => session.restart(true)} />
        </>
      );
    case undefined:
      return (
        <>
          <Choice label="Settings…" onClick={() => go("", "machine")} />
          <Choice label="Open…" onClick={onOpen} />
        </>
      );
  }
}

function Choice({ label, onClick }: { label: string; onClick: () => void }): JSX.Element {
  return (
    <button type="button" onClick={onClick}>
      {label}
    </button>
  );
}

interface PanelProps {
  readonly session: Session;
  readonly onOpen: () => void;
  readonly onReset: () => void;
}

const EXIT_TITLES: Record<ExitReason, string> = {
  poweroff: "The guest powered off",
  reboot: "The guest restarted",
  panic: "The guest's kernel panicked",
  fail: "The guest stopped with an error",
  "switched-off": "The machine is off",
  saved: "The machine is saved, and off",
};

/** Tells how the machine ended, with a way to start again. A restart only passes by. */
export function ExitPanel({ session }: { session: Session }): JSX.Element | null {
  const exit = session.exit.value;
  if (exit === undefined || session.problem.value !== undefined) return null;
  return (
    <section
      class="panel"
      data-tone={toneOf(exit)}
      role="alert"
      tabIndex={-1}
      ref={exit.reason === "reboot" ? null : takeFocus}
    >
      <h2>{EXIT_TITLES[exit.reason]}</h2>
      {exit.detail !== "" && <p class="detail">{exit.detail}</p>}
      {exit.reason !== "reboot" && (
        <div class="choices">
          <button type="button" class="main" onClick={() => session.restart()}>
            Start again
          </button>
        </div>
      )}
    </section>
  );
}

/**
 * Puts the keyboard into a panel, so that its buttons are one Tab away. Not on a button: a key that
 * was meant for the guest must not press it.
 */
function takeFocus(panel: HTMLElement | null): void {
  if (panel !== null && !panel.contains(document.activeElement)) panel.focus();
}

function toneOf({ reason }: Exit): string {
  return reason === "panic" || reason === "fail" ? "bad" : "calm";
}

export interface ResetDialogProps {
  readonly session: Session;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Asks before the one thing on this page that cannot be undone. */
export function ResetDialog({ session, open, onClose }: ResetDialogProps): JSX.Element {
  const disk = session.config.value?.disk;
  const kept = disk?.base === undefined ? "Everything on it" : "Everything you changed on it";
  return (
    <EraseDialog
      open={open}
      title={`Reset disk “${disk?.name}”?`}
      warning={`${kept} is erased for good, and the machine starts again.`}
      action="Erase and restart"
      onErase={() => session.resetDisk()}
      onClose={onClose}
    />
  );
}
