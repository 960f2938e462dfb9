/** The guest's display beside the terminal: a canvas that takes keys, pointers and fingers. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { CursorPicture } from "../worker/protocol.ts";
import { listenTo } from "./gestures.ts";
import type { Session } from "./session.ts";
import { leaveGuest } from "./shortcuts.tsx";

/** Whether the machine has anything to see or to hear beside its terminal. */
export function hasDisplay(session: Session): boolean {
  const { display, sound } = session.config.value ?? {};
  return display !== undefined || sound === true;
}

export function DisplayView({ session }: { session: Session }): JSX.Element | null {
  const { display, sound } = session.config.value ?? {};
  if (!hasDisplay(session)) return null;
  const { width, height } = session.screen.value;
  const size = width === 0 ? "nothing shown" : `${width} × ${height}`;
  return (
    <section class="display" aria-label="Display">
      <header class="display-bar">
        {display !== undefined && <span>Display: {size}. Shift-F6 leaves it.</span>}
        {sound === true && (
          <button
            type="button"
            class="sound"
            aria-pressed={session.isHeard.value}
            onClick={() => void session.toggleSound()}
          >
            {session.isHeard.value ? "Sound is on" : "Sound is off"}
          </button>
        )}
      </header>
      {display !== undefined && (
        // A canvas can be given to one Worker only.
        <DisplayCanvas key={session.generation.value} session={session} />
      )}
    </section>
  );
}

/** How long a size must last before the guest is told, in ms: it makes its screen anew for each. */
const SETTLE_MS = 150;

/** Tells the guest how large the display's place is, now and whenever that has changed for good. */
function fitDisplay(session: Session, place: HTMLElement): () => void {
  const tell = (): void => {
    const { paddingLeft, paddingTop } = getComputedStyle(place);
    const width = place.clientWidth - 2 * Number.parseFloat(paddingLeft);
    const height = place.clientHeight - 2 * Number.parseFloat(paddingTop);
    // Nothing of a page that is hidden.
    if (width > 0 && height > 0) session.fitDisplay(width, height);
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  tell();
  const observer = new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(tell, SETTLE_MS);
  });
  observer.observe(place);
  return () => {
    observer.disconnect();
    clearTimeout(timer);
  };
}

function DisplayCanvas({ session }: { session: Session }): JSX.Element {
  const element = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = element.current!;
    session.showDisplay(canvas.transferControlToOffscreen());
    const deafen = listenTo(canvas, {
      onGesture: (gesture) => session.gesture(gesture),
      onLeave: leaveGuest,
    });
    const release = fitDisplay(session, canvas.parentElement!);
    return () => {
      deafen();
      release();
    };
  }, []);
  const cursor = session.cursor.value;
  return (
    <div class="display-frame">
      <canvas
        ref={element}
        tabIndex={0}
        aria-label="The guest's display; Shift and F6 leave it"
        style={cursor === undefined ? undefined : { cursor: cssCursor(cursor) }}
      />
    </div>
  );
}

function cssCursor({ pixels, hotX, hotY }: CursorPicture): string {
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 64;
  canvas.getContext("2d")?.putImageData(new ImageData(pixels, 64), 0, 0);
  return `url(${canvas.toDataURL()}) ${hotX} ${hotY}, default`;
}
