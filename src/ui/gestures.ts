/** Turns what happens to an element into gestures for the guest. */
import type { Gesture } from "../worker/protocol.ts";

export interface GestureOptions {
  readonly onGesture: (gesture: Gesture) => void;
  /** The person wants the keyboard to leave the element. */
  readonly onLeave: () => void;
}

/** Pixels of a wheel's turn that make one notch, where the browser counts pixels; and lines. */
const NOTCH_PIXELS = 100;
const NOTCH_LINES = 3;

/** Takes keys while the element has the focus, and pointers over it. Gives back what ends that. */
export function listenTo(element: HTMLElement, { onGesture, onLeave }: GestureOptions): () => void {
  const listeners = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    listener: (event: HTMLElementEventMap[K]) => void,
  ): void => element.addEventListener(type, listener, { signal: listeners.signal });
  const key = (event: KeyboardEvent): void => {
    const isDown = event.type === "keydown";
    // Every key is the guest's, so that the keyboard needs another way out.
    event.preventDefault();
    if (event.shiftKey && event.code === "F6") {
      if (isDown) onLeave();
      return;
    }
    // The guest repeats by itself.
    if (!event.repeat) onGesture({ kind: "key", code: event.code, isDown });
  };
  const place = ({ offsetX, offsetY }: MouseEvent): { x: number; y: number } => ({
    x: offsetX / element.clientWidth,
    y: offsetY / element.clientHeight,
  });
  const pointer = (event: PointerEvent): void => {
    if (event.pointerType === "touch") {
      const isDown = event.type === "pointerdown" || event.buttons !== 0;
      if (isDown) onGesture({ kind: "touch", finger: event.pointerId, ...place(event) });
      return;
    }
    onGesture({ kind: "move", ...place(event) });
    // A second button is pressed and released in moves.
    if (event.button < 0) return;
    const isDown = (event.buttons & buttonBit(event.button)) !== 0;
    onGesture({ kind: "button", button: event.button, isDown });
  };
  on("keydown", key);
  on("keyup", key);
  // Keys that are released elsewhere would stay down for ever.
  on("blur", () => onGesture({ kind: "leave" }));
  on("pointerdown", (event) => {
    element.focus();
    // A button that is released outside is released nevertheless.
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
    pointer(event);
  });
  on("pointermove", pointer);
  on("pointerup", (event) => {
    if (event.pointerType === "touch") onGesture({ kind: "lift", finger: event.pointerId });
    else pointer(event);
  });
  on("pointercancel", (event) => onGesture({ kind: "lift", finger: event.pointerId }));
  on("contextmenu", (event) => event.preventDefault());
  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const notch = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? NOTCH_PIXELS : NOTCH_LINES;
      onGesture({ kind: "wheel", right: event.deltaX / notch, down: event.deltaY / notch });
    },
    { passive: false, signal: listeners.signal },
  );
  return () => listeners.abort();
}

/** The bit of `MouseEvent.buttons` for a `MouseEvent.button`: right and middle are exchanged. */
function buttonBit(button: number): number {
  return button === 1 ? 4 : button === 2 ? 2 : 1 << button;
}
