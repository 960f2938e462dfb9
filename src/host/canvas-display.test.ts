import { beforeAll, describe, expect, it } from "vitest";
import { CanvasDisplay } from "./canvas-display.ts";

/** Node has no `ImageData`; like the real one this keeps the array that it is given. */
class FakeImageData {
  readonly data: Uint8ClampedArray;
  readonly width: number;

  constructor(data: Uint8ClampedArray, width: number) {
    this.data = data;
    this.width = width;
  }
}

beforeAll(() => {
  Object.assign(globalThis, { ImageData: FakeImageData });
});

function create() {
  const frames: (() => void)[] = [];
  const sizes: string[] = [];
  const painted: unknown[] = [];
  const canvas = {
    width: 300,
    height: 150,
    getContext: () => ({
      putImageData: (image: ImageData, ...where: number[]) =>
        painted.push([image.width, image.data.length, ...where]),
    }),
  };
  const display = new CanvasDisplay({
    requestFrame: (callback) => frames.push(callback),
    defer: () => {},
    onSize: (width, height) => sizes.push(`${width}x${height}`),
    onCursor: () => {},
  });
  const paint = () => {
    for (const frame of frames.splice(0)) frame();
    return painted.splice(0);
  };
  return { display, canvas, frames, sizes, paint };
}

const FRAME = {
  pixels: new Uint8ClampedArray(4 * 100 * 50),
  stride: 100,
  x: 10,
  y: 20,
  width: 40,
  height: 30,
};

describe("CanvasDisplay", () => {
  it("paints what changed, together, in its place", () => {
    const { display, canvas, frames, sizes, paint } = create();
    display.attach(canvas);
    display.show(FRAME);
    expect([canvas.width, canvas.height]).toEqual([40, 30]);
    expect(sizes.at(-1)).toBe("40x30");
    display.present(5, 6, 7, 8);
    display.present(1, 10, 2, 3);
    expect(frames).toHaveLength(1);
    expect(paint()).toEqual([[100, 20_000, -10, -20, 11, 26, 11, 8]]);
    expect(paint()).toEqual([]);
    display.present(0, 0, 1, 1);
    expect(paint()).toEqual([[100, 20_000, -10, -20, 10, 20, 1, 1]]);
  });

  it("paints nothing of what lies between two changes far apart", () => {
    const { display, canvas, paint } = create();
    display.attach(canvas);
    const pixels = new Uint8ClampedArray(4 * 1000 * 1000);
    display.show({ pixels, stride: 1000, x: 1, y: 2, width: 999, height: 998 });
    display.present(0, 0, 8, 16);
    display.present(899, 898, 100, 50);
    expect(paint()).toEqual([
      [1000, 4_000_000, -1, -2, 1, 2, 8, 16],
      [1000, 4_000_000, -1, -2, 900, 900, 100, 50],
    ]);
  });

  it("paints all of it on a canvas that comes later", () => {
    const { display, canvas, paint } = create();
    display.show(FRAME);
    display.present(0, 0, 1, 1);
    expect(paint()).toEqual([]);
    display.attach(canvas);
    expect(paint()).toEqual([[100, 20_000, -10, -20, 10, 20, 40, 30]]);
  });

  it("paints nothing of what is no longer shown", () => {
    const { display, canvas, sizes, paint } = create();
    display.attach(canvas);
    display.show(FRAME);
    display.present(0, 0, 40, 30);
    display.show(undefined);
    expect(paint()).toEqual([]);
    expect(sizes.at(-1)).toBe("0x0");
  });
});
