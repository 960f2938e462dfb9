/** What is behind a graphics device: one screen with a hardware cursor. */

/** Pixels that a display shows; owned by the device, which changes them and says so. */
export interface Frame {
  /** R, G, B and A of each pixel, a byte each; A is 255. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  /** Pixels from one row to the next. */
  readonly stride: number;
  /** The part shown: its first column and row, and its size, in pixels. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A pointer's picture, 64 by 64 pixels, R, G, B and A (not multiplied with A). */
export interface CursorImage {
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly hotX: number;
  readonly hotY: number;
}

export interface DisplayBackend {
  /** Shows `frame` from now on, or nothing. Its pixels may change later; `present` tells where. */
  show(frame: Frame | undefined): void;
  /** A rectangle of the frame has new pixels, in pixels of what is shown, and lies inside it. */
  present(x: number, y: number, width: number, height: number): void;
  /** Another pointer, or none. */
  setCursor(image: CursorImage | undefined): void;
  /** The pointer's hot spot is there now, perhaps outside. */
  moveCursor(x: number, y: number): void;
  /** Calls back soon, but not from here: the device goes on with work that would take too long. */
  defer(callback: () => void): void;
}
