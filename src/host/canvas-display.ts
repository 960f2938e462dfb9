/** A display on a canvas: paints what changed, once for each of the screen's own frames. */
import type { CursorImage, DisplayBackend, Frame } from "../virtio/devices/display-backend.ts";
import { Damage } from "./damage.ts";

/** The parts of an `OffscreenCanvas` that are used. */
export interface DisplayCanvas {
  width: number;
  height: number;
  getContext(kind: "2d", options: { alpha: false }): DisplayContext | null;
}

export interface DisplayContext {
  putImageData(
    image: ImageData,
    x: number,
    y: number,
    dirtyX: number,
    dirtyY: number,
    dirtyWidth: number,
    dirtyHeight: number,
  ): void;
}

export interface DisplayHost {
  /** Calls back before the screen's next frame; while nobody looks, perhaps not for long. */
  requestFrame(callback: () => void): void;
  /** Calls back soon. */
  defer(callback: () => void): void;
  /** What is shown has that size now; 0 by 0 when nothing is shown. */
  onSize(width: number, height: number): void;
  onCursor(image: CursorImage | undefined): void;
}

export class CanvasDisplay implements DisplayBackend {
  readonly #host: DisplayHost;
  #canvas: DisplayCanvas | undefined;
  #context: DisplayContext | null = null;
  #frame: Frame | undefined;
  /** The frame's resource, as the canvas takes it; the pixels are the same bytes. */
  #image: ImageData | undefined;
  #isRequested = false;
  /** What has changed since it was painted last. */
  readonly #damage = new Damage();

  constructor(host: DisplayHost) {
    this.#host = host;
  }

  /** Paints there from now on. */
  attach(canvas: DisplayCanvas): void {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.show(this.#frame);
    if (this.#frame !== undefined) this.present(0, 0, this.#frame.width, this.#frame.height);
  }

  show(frame: Frame | undefined): void {
    this.#frame = frame;
    this.#image = frame && new ImageData(frame.pixels, frame.stride);
    this.#damage.take();
    this.#host.onSize(frame?.width ?? 0, frame?.height ?? 0);
    const canvas = this.#canvas;
    if (frame === undefined || canvas === undefined) return;
    // To set a size clears the canvas, even if it is the same.
    if (canvas.width !== frame.width) canvas.width = frame.width;
    if (canvas.height !== frame.height) canvas.height = frame.height;
  }

  present(x: number, y: number, width: number, height: number): void {
    this.#damage.add({ left: x, top: y, right: x + width, bottom: y + height });
    if (this.#isRequested) return;
    this.#isRequested = true;
    this.#host.requestFrame(this.#paint);
  }

  setCursor(image: CursorImage | undefined): void {
    this.#host.onCursor(image);
  }

  /** The browser's own pointer carries the picture. */
  moveCursor(): void {}

  defer(callback: () => void): void {
    this.#host.defer(callback);
  }

  readonly #paint = (): void => {
    this.#isRequested = false;
    const [frame, image, context] = [this.#frame, this.#image, this.#context];
    const damage = this.#damage.take();
    if (frame === undefined || image === undefined || context === null) return;
    const { x, y } = frame;
    for (const { left, top, right, bottom } of damage) {
      context.putImageData(image, -x, -y, x + left, y + top, right - left, bottom - top);
    }
  };
}
