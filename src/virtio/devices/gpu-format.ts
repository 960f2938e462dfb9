/** Pixel formats of the graphics device (virtio 5.7.6.8): four bytes each, named in memory order. */

/** Where the bytes of R, G, B and A are in a little-endian word, in bits; no A means opaque. */
export interface PixelFormat {
  /** As the specification has it, such as `B8G8R8A8`: from it the rest follows. */
  readonly name: string;
  readonly red: number;
  readonly green: number;
  readonly blue: number;
  readonly alpha: number | undefined;
}

function format(name: string): PixelFormat {
  const bitsTo = (channel: string) => 4 * name.indexOf(channel);
  const alpha = name.includes("A") ? bitsTo("A") : undefined;
  return { name, red: bitsTo("R"), green: bitsTo("G"), blue: bitsTo("B"), alpha };
}

export const PIXEL_FORMATS: { readonly [id: number]: PixelFormat | undefined } = {
  1: format("B8G8R8A8"),
  2: format("B8G8R8X8"),
  3: format("A8R8G8B8"),
  4: format("X8R8G8B8"),
  67: format("R8G8B8A8"),
  68: format("X8B8G8R8"),
  121: format("A8B8G8R8"),
  134: format("R8G8B8X8"),
};

const OPAQUE = 0xff00_0000 | 0;

/** Converts `count` words of `source` from `from` on into R, G, B, A in `target` from `to` on. */
export function convertPixels(
  { red, green, blue, alpha }: PixelFormat,
  source: Uint32Array,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  if (alpha === undefined && red === 16 && blue === 0) {
    // Linux's format, and with constants twice as fast.
    for (let i = 0; i < count; i++) {
      const word = source[from + i];
      target[to + i] = ((word >>> 16) & 0xff) | (word & 0xff00) | ((word & 0xff) << 16) | OPAQUE;
    }
  } else if (alpha === undefined) {
    for (let i = 0; i < count; i++) {
      const word = source[from + i];
      target[to + i] =
        ((word >>> red) & 0xff) |
        (((word >>> green) & 0xff) << 8) |
        (((word >>> blue) & 0xff) << 16) |
        OPAQUE;
    }
  } else {
    for (let i = 0; i < count; i++) {
      const word = source[from + i];
      target[to + i] =
        ((word >>> red) & 0xff) |
        (((word >>> green) & 0xff) << 8) |
        (((word >>> blue) & 0xff) << 16) |
        ((word >>> alpha) << 24);
    }
  }
}
