import { describe, expect, it } from "vitest";
import { GuestMemory } from "./guest-memory.ts";
import { WINDOW_BLOCK_BYTES as BLOCK } from "./memory-window.ts";

const BASE = 0x8000_0000;
const RAM = 0x4000;
const WINDOW = BASE + 3 * BLOCK;
const OFFSET = 0x1000 + RAM;

function create() {
  const buffer = new ArrayBuffer(OFFSET + 3 * BLOCK);
  const memory = new GuestMemory({ buffer }, [{ base: BASE, size: RAM, offset: 0x1000 }]);
  const changes: [number, number, number][] = [];
  memory.observeWindows((...change) => changes.push(change));
  const window = memory.addWindow({ base: WINDOW, size: 3 * BLOCK, offset: OFFSET });
  return { memory, window, changes };
}

describe("a window above RAM", () => {
  it("is memory exactly where its blocks are", () => {
    const { memory, window, changes } = create();
    expect(memory.view(WINDOW, 1)).toBeUndefined();
    window.setPresent(WINDOW + BLOCK, BLOCK, true);
    expect(changes).toEqual([[WINDOW + BLOCK, BLOCK, OFFSET + BLOCK]]);
    expect(memory.offsetOf(WINDOW + BLOCK, BLOCK)).toBe(OFFSET + BLOCK);
    for (const [gpa, length] of [
      [WINDOW + BLOCK - 1, 1],
      [WINDOW + BLOCK - 1, 2],
      [WINDOW + 2 * BLOCK - 1, 2],
      [WINDOW + 2 * BLOCK, 1],
      [WINDOW, 3 * BLOCK],
      [BASE + RAM - 1, 2],
      [BASE + RAM, 1],
    ]) {
      expect(memory.contains(gpa, length)).toBe(false);
    }
    window.setPresent(WINDOW + 2 * BLOCK, BLOCK, true);
    expect(memory.contains(WINDOW + BLOCK, 2 * BLOCK)).toBe(true);
    expect(memory.contains(WINDOW + BLOCK, 2 * BLOCK + 1)).toBe(false);
    expect(memory.contains(WINDOW + 3 * BLOCK - 1, 2 ** 60)).toBe(false);
    expect(window.presentBytes).toBe(2 * BLOCK);
    expect(window.isAbsent(WINDOW, BLOCK)).toBe(true);
    expect(window.isAbsent(WINDOW, 2 * BLOCK)).toBe(false);
    window.setPresent(WINDOW, 3 * BLOCK, false);
    expect(changes.at(-1)).toEqual([WINDOW, 3 * BLOCK, 0]);
    expect(memory.contains(WINDOW + BLOCK, 1)).toBe(false);
  });

  it("consists of whole blocks inside the linear memory", () => {
    const { memory, window } = create();
    for (const [base, size, offset] of [
      [WINDOW + 1, BLOCK, OFFSET],
      [WINDOW, BLOCK + 4096, OFFSET],
      [WINDOW, BLOCK, OFFSET + 1],
      [WINDOW, 4 * BLOCK, OFFSET],
      [WINDOW, BLOCK, 0],
    ]) {
      expect(() => memory.addWindow({ base, size, offset })).toThrow(RangeError);
    }
    for (const [gpa, length] of [
      [WINDOW - BLOCK, BLOCK],
      [WINDOW, 4 * BLOCK],
      [WINDOW + 1, BLOCK],
      [WINDOW, 1],
    ]) {
      expect(() => window.setPresent(gpa, length, true)).toThrow(RangeError);
    }
  });

  it("knows which of its pages were written, until it is asked", () => {
    const { memory, window } = create();
    window.setPresent(WINDOW, 3 * BLOCK, true);
    memory.writeU8(BASE, 1);
    memory.writeU16(WINDOW + 4095, 1);
    memory.writable(WINDOW + 3 * BLOCK - 1, 1);
    memory.written(WINDOW - 10, 11);
    expect(memory.takeWritten(window)).toEqual([WINDOW, WINDOW + 4096, WINDOW + 3 * BLOCK - 4096]);
    expect(memory.takeWritten(window)).toEqual([]);
  });
});
