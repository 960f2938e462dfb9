import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { WINDOW_BLOCK_BYTES } from "../memory/memory-window.ts";
import { MAX_READ_BYTES, memoryCalls } from "./memory.ts";
import { parsePattern, SEARCH_BYTES } from "./memory-search.ts";

const RAM = 0x8000_0000;
const RAM_BYTES = 64 << 20;
const clock = { nowMs: () => 0, wallClockMs: () => 0 };

function create() {
  const hart = new FakeHartModel();
  const windowBytes = 2 * WINDOW_BLOCK_BYTES;
  const options = { hart, clock, entropy: () => {}, ramBytes: RAM_BYTES, windowBytes };
  const machine = new Machine(options);
  const window = machine.openWindow(windowBytes);
  return { machine, window, calls: memoryCalls({ machine, clock }) };
}

function findAll(calls: ReturnType<typeof memoryCalls>, text: string) {
  const found: number[] = [];
  let turns = 0;
  for (let next: number | undefined = 0; next !== undefined; turns++) {
    const part: ReturnType<typeof calls.memorySearch> = calls.memorySearch(text, next);
    found.push(...part.found);
    next = part.next;
  }
  return { found, turns };
}

describe("memory", () => {
  it("has a map of RAM, windows and devices", () => {
    const { calls } = create();
    const { areas } = calls.memoryMap();
    expect(areas.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["plic", "uart", "virtio", "RAM", "window"]),
    );
    expect(areas.find(({ kind }) => kind === "window")?.presentBytes).toBe(0);
    expect([...areas].sort((a, b) => a.base - b.base)).toEqual(areas);
  });

  it("gives bytes page by page, and none where there is no memory", () => {
    const { machine, calls } = create();
    machine.memory.write(RAM + RAM_BYTES - 2, Uint8Array.of(1, 2));
    const runs = calls.memoryBytes("physical", BigInt(RAM + RAM_BYTES - 2), 4);
    expect(runs.map(({ length, bytes }) => [length, bytes && [...bytes]])).toEqual([
      [2, [1, 2]],
      [2, undefined],
    ]);
    for (const address of [(1n << 64n) - 1n, -1n, 1n << 60n]) {
      expect(calls.memoryBytes("physical", address, 16)[0].bytes).toBeUndefined();
    }
    const most = calls.memoryBytes("physical", BigInt(RAM), 1e9);
    expect(most.reduce((sum, { length }) => sum + length, 0)).toBe(MAX_READ_BYTES);
  });

  it("finds text, bytes and integers wherever a search goes on, in windows too", () => {
    const { machine, window, calls } = create();
    const text = new TextEncoder().encode("needle");
    const places = [RAM, RAM + SEARCH_BYTES - 3, RAM + 2 * SEARCH_BYTES, RAM + RAM_BYTES - 6];
    for (const place of places) machine.memory.write(place, text);
    window.setPresent(window.base + WINDOW_BLOCK_BYTES, WINDOW_BLOCK_BYTES, true);
    machine.memory.write(window.base + WINDOW_BLOCK_BYTES, text);
    const wanted = [...places, window.base + WINDOW_BLOCK_BYTES];
    const { found, turns } = findAll(calls, "needle");
    expect(found).toEqual(wanted);
    expect(turns).toBeGreaterThan(RAM_BYTES / SEARCH_BYTES);
    expect(findAll(calls, "6e 65 65 64 6c 65").found).toEqual(wanted);
    machine.memory.writeU32(RAM + 0x2000, 0xdeadbeef);
    expect(findAll(calls, "u32 0xdeadbeef").found).toEqual([RAM + 0x2000]);
  });

  it("reads patterns, and says what is wrong with one", () => {
    expect([...parsePattern('"de ad"')]).toEqual([...new TextEncoder().encode("de ad")]);
    expect([...parsePattern("u16 258")]).toEqual([2, 1]);
    expect([...parsePattern("0xdead")]).toEqual([0xde, 0xad]);
    for (const text of ["", '""', "u8 256", "x".repeat(300)]) {
      expect(() => parsePattern(text), text).toThrow();
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        try {
          expect(parsePattern(text).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
