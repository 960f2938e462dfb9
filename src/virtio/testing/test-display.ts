/** A display that remembers what it was told. */
import type { CursorImage, DisplayBackend, Frame } from "../devices/display-backend.ts";

export class TestDisplay implements DisplayBackend {
  frame: Frame | undefined;
  cursor: CursorImage | undefined;
  cursorAt: readonly [x: number, y: number] = [0, 0];
  readonly presented: (readonly [x: number, y: number, width: number, height: number])[] = [];
  readonly deferred: (() => void)[] = [];

  show(frame: Frame | undefined): void {
    this.frame = frame;
  }

  present(x: number, y: number, width: number, height: number): void {
    this.presented.push([x, y, width, height]);
  }

  setCursor(image: CursorImage | undefined): void {
    this.cursor = image;
  }

  moveCursor(x: number, y: number): void {
    this.cursorAt = [x, y];
  }

  defer(callback: () => void): void {
    this.deferred.push(callback);
  }

  /** R, G, B, A of a pixel of what is shown. @throws Error if nothing is. */
  pixel(x: number, y: number): number[] {
    const { frame } = this;
    if (frame === undefined) throw new Error("the display shows nothing");
    const at = 4 * ((frame.y + y) * frame.stride + frame.x + x);
    return [...frame.pixels.subarray(at, at + 4)];
  }
}
