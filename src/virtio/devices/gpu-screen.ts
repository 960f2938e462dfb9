/** What the graphics device shows: one scanout of a resource, and the cursor over it (virtio 5.7.6). */
import type { CursorImage, DisplayBackend } from "./display-backend.ts";
import { GPU_CURSOR_SIZE } from "./gpu-protocol.ts";
import type { Rect, Resource } from "./gpu-resource.ts";

/** Structured-clonable; resources by their ids, 0 for none. */
export interface ScreenState {
  readonly resource: number;
  readonly rect: Rect;
  readonly cursor: CursorImage | undefined;
  readonly cursorX: number;
  readonly cursorY: number;
}

export class GpuScreen {
  readonly #backend: DisplayBackend;
  #resource: Resource | undefined;
  #rect: Rect = { x: 0, y: 0, width: 0, height: 0 };
  #cursor: CursorImage | undefined;
  #cursorX = 0;
  #cursorY = 0;

  constructor(backend: DisplayBackend) {
    this.#backend = backend;
  }

  /** Shows a part that the resource contains. */
  show(resource: Resource, rect: Rect): void {
    resource.makeOpaque();
    this.#resource = resource;
    this.#rect = { ...rect };
    const { pixels, width: stride } = resource;
    this.#backend.show({ ...rect, pixels, stride });
    this.#backend.present(0, 0, rect.width, rect.height);
  }

  hide(): void {
    if (this.#resource === undefined) return;
    this.#resource = undefined;
    this.#backend.show(undefined);
  }

  /** The resource is about to go. */
  forget(resource: Resource): void {
    if (this.#resource === resource) this.hide();
  }

  /** A rectangle of the resource is to be seen as it is now. */
  flush(resource: Resource, rect: Rect): void {
    if (this.#resource !== resource) return;
    const shown = this.#rect;
    const left = Math.max(rect.x, shown.x);
    const top = Math.max(rect.y, shown.y);
    const right = Math.min(rect.x + rect.width, shown.x + shown.width);
    const bottom = Math.min(rect.y + rect.height, shown.y + shown.height);
    if (left >= right || top >= bottom) return;
    this.#backend.present(left - shown.x, top - shown.y, right - left, bottom - top);
  }

  /** The cursor takes its picture now: later changes of the resource do not show. */
  setCursor(resource: Resource | undefined, hotX: number, hotY: number): void {
    if (resource === undefined) {
      this.#cursor = undefined;
    } else {
      const limit = GPU_CURSOR_SIZE - 1;
      const pixels = withoutPremultipliedAlpha(resource.pixels);
      this.#cursor = { pixels, hotX: Math.min(hotX, limit), hotY: Math.min(hotY, limit) };
    }
    this.#backend.setCursor(this.#cursor);
  }

  moveCursor(x: number, y: number): void {
    this.#cursorX = x;
    this.#cursorY = y;
    this.#backend.moveCursor(x, y);
  }

  reset(): void {
    this.hide();
    if (this.#cursor !== undefined) this.setCursor(undefined, 0, 0);
  }

  save(): ScreenState {
    return {
      resource: this.#resource?.id ?? 0,
      rect: { ...this.#rect },
      cursor: this.#cursor,
      cursorX: this.#cursorX,
      cursorY: this.#cursorY,
    };
  }

  load(state: ScreenState, resource: Resource | undefined): void {
    if (resource !== undefined) this.show(resource, state.rect);
    this.#cursor = state.cursor;
    this.#backend.setCursor(state.cursor);
    this.moveCursor(state.cursorX, state.cursorY);
  }
}

/** Guests' cursors have colours multiplied with A, as X and DRM have it; browsers want them plain. */
function withoutPremultipliedAlpha(source: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(source);
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3];
    if (alpha === 0 || alpha === 255) continue;
    for (let i = at; i < at + 3; i++) pixels[i] = (pixels[i] * 255) / alpha;
  }
  return pixels;
}
