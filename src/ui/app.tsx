/** The page: bars, terminal and what lies over it. */
import { effect, useSignal } from "@preact/signals";
import { type ComponentType, type JSX, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { offerAutomation } from "./automation.ts";
import { DisplayView, hasDisplay } from "./display.tsx";
import { droppedOf } from "./dropped.ts";
import { GrowDialog } from "./grow-dialog.tsx";
import { address, close as closeInspector, go } from "./inspector/address.ts";
import type { InspectorProps } from "./inspector/inspector.tsx";
import { lendAgain } from "./lend-fields.tsx";
import { useMedia } from "./media.ts";
import { MemoryDialog } from "./memory-dialog.tsx";
import { nextTask } from "./next-task.ts";
import { type Dropped, OpenDialog } from "./open-dialog.tsx";
import { ExitPanel, LoadingPanel, ProblemPanel, ResetDialog } from "./panels.tsx";
import { sortFiles } from "./picked-files.ts";
import { Session, type Startup } from "./session.ts";
import { leaveGuest, ShortcutsDialog, useShortcuts } from "./shortcuts.tsx";
import { StatusBar } from "./status-bar.tsx";
import type { GuestTerminal } from "./terminal.ts";
import { Toolbar } from "./toolbar.tsx";

/** Shows the page in `parent`. */
export function mount(startup: Startup, parent: Element): void {
  render(<App session={new Session(startup)} />, parent);
}

const NOTHING_DROPPED: Dropped = { files: [], directories: [], roles: {} };

/** Where the inspector lies over the terminal; `inspector.css` knows of the same width. */
const NARROW = "(max-width: 600px)";

type DialogName = "open" | "reset" | "grow" | "memory" | "shortcuts";

function App({ session }: { session: Session }): JSX.Element {
  const [dialog, setDialog] = useState<DialogName | undefined>(undefined);
  const [dropped, setDropped] = useState<Dropped>(NOTHING_DROPPED);
  const terminal = useRef<GuestTerminal | undefined>(undefined);
  const [isAsked, setIsAsked] = useState(false);
  const isInspected = address.value !== undefined;
  const isNarrow = useMedia(NARROW);
  const focusTerminal = (): void => terminal.current?.focus();
  const close = (): void => {
    setDialog(undefined);
    setDropped(NOTHING_DROPPED);
    focusTerminal();
  };
  const inspect = (): void => {
    setIsAsked(true);
    if (!isInspected) {
      go("", "devices");
      return;
    }
    closeInspector();
    // Once it is no longer under the inspector.
    requestAnimationFrame(focusTerminal);
  };
  const takeFiles = async (transfer: DataTransfer | null): Promise<void> => {
    const { files, directories } = await droppedOf(transfer);
    setDropped({ files, directories, roles: await sortFiles(files) });
    setDialog("open");
  };
  const open = (): void => setDialog("open");
  const reset = (): void => setDialog("reset");
  const grow = (): void => setDialog("grow");
  const list = (): void => setDialog("shortcuts");
  useEffect(() => void lendAgain(session), []);
  useShortcuts({ onInspect: inspect, onReturn: focusTerminal, onList: list });
  return (
    <>
      <Toolbar
        session={session}
        onOpen={open}
        onResetDisk={reset}
        onGrowDisk={grow}
        isInspected={isInspected}
        onInspect={inspect}
        onShortcuts={list}
      />
      <div class="workspace" data-inspected={isInspected || undefined}>
        <main
          class="stage"
          data-split={hasDisplay(session) || undefined}
          inert={isInspected && isNarrow}
        >
          <TerminalView session={session} onReady={(ready) => (terminal.current = ready)} />
          <DisplayView session={session} />
          <LoadingPanel session={session} />
          <ExitPanel session={session} />
          <ProblemPanel session={session} onOpen={open} onReset={reset} />
          <DropZone onFiles={takeFiles} />
        </main>
        <InspectorView session={session} takesFocus={isAsked} onClose={inspect} />
      </div>
      <StatusBar session={session} onMemory={() => setDialog("memory")} />
      <OpenDialog session={session} open={dialog === "open"} dropped={dropped} onClose={close} />
      <MemoryDialog session={session} open={dialog === "memory"} onClose={close} />
      <GrowDialog session={session} open={dialog === "grow"} onClose={close} />
      <ShortcutsDialog open={dialog === "shortcuts"} onClose={close} />
      <ResetDialog session={session} open={dialog === "reset"} onClose={close} />
    </>
  );
}

/** The inspector, whose code is loaded when it is opened first. */
function InspectorView(props: InspectorProps): JSX.Element | null {
  const Inspector = useSignal<ComponentType<InspectorProps> | undefined>(undefined);
  const isOpen = address.value !== undefined;
  useEffect(() => {
    if (!isOpen) return;
    void import("./inspector/inspector.tsx").then((code) => {
      Inspector.value = code.Inspector;
    });
  }, [isOpen]);
  const Loaded = Inspector.value;
  return isOpen && Loaded ? <Loaded {...props} /> : null;
}

interface TerminalViewProps {
  readonly session: Session;
  readonly onReady: (terminal: GuestTerminal) => void;
}

function TerminalView({ session, onReady }: TerminalViewProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  // A terminal is made once and stays.
  useEffect(() => {
    void show(session, host.current!).then(onReady);
  }, []);
  return <div class="guest-screen" ref={host} />;
}

/** Loads the terminal, which is most of the page's code, and shows the guest's console in it. */
async function show(session: Session, parent: HTMLElement): Promise<GuestTerminal> {
  const { openTerminal } = await import("./terminal.ts");
  await nextTask();
  const terminal = await openTerminal(parent, {
    onInput: (bytes) => session.input(bytes),
    onResize: () => session.resized(),
    onLeave: leaveGuest,
  });
  await nextTask();
  session.attach(terminal);
  offerAutomation(session, terminal);
  // The keyboard is the guest's again once there is no panel to answer.
  effect(() => {
    const hasPanel = session.exit.value !== undefined || session.problem.value !== undefined;
    if (!hasPanel) terminal.focus();
  });
  return terminal;
}

/** Catches files that are dragged over the page. */
function DropZone({
  onFiles,
}: {
  onFiles: (transfer: DataTransfer | null) => Promise<void>;
}): JSX.Element {
  const [isOver, setIsOver] = useState(false);
  // Once is enough: the listeners use only functions that stay good.
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setIsOver(true);
    };
    const leave = (event: DragEvent): void => {
      // Leaving the window, not just one element for the next.
      if (event.relatedTarget === null) setIsOver(false);
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      setIsOver(false);
      void onFiles(event.dataTransfer);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  }, []);
  return (
    <div class="drop" hidden={!isOver}>
      Drop a kernel, an initramfs, firmware or a disk image, or files for the guest
    </div>
  );
}
