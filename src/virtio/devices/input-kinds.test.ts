import { describe, expect, it } from "vitest";
import { TestDriver } from "../testing/driver.ts";
import type { InputDevice } from "./input.ts";
import { KEY_CODES } from "./input-codes.ts";
import { Keyboard, POINTER_MAX, Tablet, TOUCH_SLOTS, Touchscreen } from "./input-kinds.ts";

/** What the driver gets of a device, one list of events for each packet. */
function listen(device: InputDevice): () => number[][][] {
  const driver = new TestDriver(device).start();
  const [events] = driver.queues;
  const requests = Array.from({ length: 64 }, () => events.add([], [8]));
  events.kick();
  return () => {
    const packets: number[][][] = [[]];
    for (const { id } of events.poll()) {
      const request = requests.find((request) => request.id === id)!;
      const data = new DataView(events.written(request).buffer);
      const [type, code] = [data.getUint16(0, true), data.getUint16(2, true)];
      if (type === 0) packets.push([]);
      else packets.at(-1)?.push([type, code, data.getInt32(4, true)]);
    }
    expect(packets.pop()).toEqual([]);
    return packets;
  };
}

describe("the keyboard", () => {
  it("has a number of its own for each key, below what Linux knows", () => {
    const codes = Object.values(KEY_CODES) as number[];
    expect(new Set(codes).size).toBe(codes.length);
    expect(Math.max(...codes)).toBeLessThan(0x300);
    for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
      expect(KEY_CODES[`Key${letter}`]).toBeDefined();
  });

  it("sends presses once, and releases", () => {
    const keyboard = new Keyboard("kbd0");
    const packets = listen(keyboard.device);
    expect(keyboard.key("KeyA", true)).toBe(true);
    keyboard.key("KeyA", true);
    keyboard.key("KeyA", false);
    keyboard.key("KeyA", false);
    expect(packets()).toEqual([[[1, 30, 1]], [[1, 30, 0]]]);
    for (const code of ["", "KeyÄ", "toString", "__proto__"]) {
      expect(keyboard.key(code, true)).toBe(false);
    }
    expect(packets()).toEqual([]);
  });

  it("lets go of all keys", () => {
    const keyboard = new Keyboard("kbd0");
    const packets = listen(keyboard.device);
    keyboard.key("ControlLeft", true);
    keyboard.key("KeyC", true);
    packets();
    keyboard.releaseAll();
    keyboard.releaseAll();
    expect(packets()).toEqual([[[1, 29, 0]], [[1, 46, 0]]]);
  });
});

describe("the tablet", () => {
  it("sends positions inside its range", () => {
    const tablet = new Tablet("tablet0");
    const packets = listen(tablet.device);
    tablet.move(0.5, -3);
    tablet.move(2, 1);
    expect(packets()).toEqual([
      [
        [3, 0, 0x4000],
        [3, 1, 0],
      ],
      [
        [3, 0, POINTER_MAX],
        [3, 1, POINTER_MAX],
      ],
    ]);
  });

  it("sends buttons in Linux's order", () => {
    const tablet = new Tablet("tablet0");
    const packets = listen(tablet.device);
    for (const index of [0, 1, 2, 3, 4, 5, -1]) tablet.button(index, true);
    tablet.button(0, true);
    const codes = [0x110, 0x112, 0x111, 0x113, 0x114];
    expect(packets()).toEqual(codes.map((code) => [[1, code, 1]]));
    tablet.releaseAll();
    expect(packets()).toEqual(codes.map((code) => [[1, code, 0]]));
  });

  it("adds parts of a notch up", () => {
    const tablet = new Tablet("tablet0");
    const packets = listen(tablet.device);
    tablet.wheel(0, 1);
    tablet.wheel(0, 0.5);
    tablet.wheel(0, 0.5);
    tablet.wheel(-2, 0);
    tablet.wheel(0, 0);
    expect(packets()).toEqual([
      [
        [2, 0x0b, -120],
        [2, 8, -1],
      ],
      [[2, 0x0b, -60]],
      [
        [2, 0x0b, -60],
        [2, 8, -1],
      ],
      [
        [2, 0x0c, -240],
        [2, 6, -2],
      ],
    ]);
  });
});

describe("the touch screen", () => {
  it("gives each finger a slot and an id", () => {
    const touch = new Touchscreen("touch0");
    const packets = listen(touch.device);
    touch.touch(77, 0, 1);
    touch.touch(5, 1, 0);
    touch.touch(5, 1, 1);
    touch.release(77);
    touch.touch(9, 0, 0);
    touch.release(12345);
    const max = POINTER_MAX;
    expect(packets()).toEqual([
      [
        [3, 0x2f, 0],
        [3, 0x39, 0],
        [3, 0x35, 0],
        [3, 0x36, max],
        [1, 0x14a, 1],
        [3, 0, 0],
        [3, 1, max],
      ],
      [
        [3, 0x2f, 1],
        [3, 0x39, 1],
        [3, 0x35, max],
        [3, 0x36, 0],
      ],
      [
        [3, 0x2f, 1],
        [3, 0x35, max],
        [3, 0x36, max],
      ],
      [
        [3, 0x2f, 0],
        [3, 0x39, -1],
      ],
      [
        [3, 0x2f, 0],
        [3, 0x39, 2],
        [3, 0x35, 0],
        [3, 0x36, 0],
        [3, 0, 0],
        [3, 1, 0],
      ],
    ]);
    touch.releaseAll();
    expect(packets().at(-1)).toContainEqual([1, 0x14a, 0]);
  });

  it("knows as many fingers as it has slots", () => {
    const touch = new Touchscreen("touch0");
    const packets = listen(touch.device);
    for (let finger = 0; finger <= TOUCH_SLOTS; finger++) touch.touch(finger, 0, 0);
    expect(packets()).toHaveLength(TOUCH_SLOTS);
  });
});
