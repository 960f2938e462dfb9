/** What changed of a picture, as a few rectangles that cover it without much around it. */

/** Edges in pixels; right and bottom are the first beyond it. */
export interface Damaged {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Rectangles kept apart: a pointer, a clock and a few windows. More are covered by one. */
export const DAMAGE_MAX = 8;

/** Pixels that may be copied for nothing to save a rectangle: about what a call costs. */
export const DAMAGE_SLACK_PIXELS = 4096;

export class Damage {
  #parts: Damaged[] = [];

  add(part: Damaged): void {
    let whole = part;
    for (let i = 0; i < this.#parts.length; ) {
      const both = cover(whole, this.#parts[i]);
      if (areaOf(both) > areaOf(whole) + areaOf(this.#parts[i]) + DAMAGE_SLACK_PIXELS) {
        i++;
        continue;
      }
      // The larger one may cover some that were passed over.
      whole = both;
      this.#parts.splice(i, 1);
      i = 0;
    }
    this.#parts.push(whole);
    if (this.#parts.length > DAMAGE_MAX) this.#parts = [this.#parts.reduce(cover)];
  }

  /** All of it; afterwards there is none. */
  take(): readonly Damaged[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}

function cover(a: Damaged, b: Damaged): Damaged {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

function areaOf({ left, top, right, bottom }: Damaged): number {
  return (right - left) * (bottom - top);
}
