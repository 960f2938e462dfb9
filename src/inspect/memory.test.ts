import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Machine } from "../machine/machine.ts";
import { FakeHartModel } from "../machine/testing/fake-hart.ts";
import { WINDOW_BLOCK_BYTES } from "../memory/memory-window.ts";
import { MAX_READ_BYTES, MAX_WRITE_BYTES, memoryCalls } from "./memory.ts";
import { parsePattern, SEARCH_BYTES } from "./memory-search.ts";

const RAM = 0x8000_0000;
const RAM_BYTES = 64 << 20;
const clock = { nowMs: () => 0, wallClockMs: () => 0 };

function create() {
  const logged: string[] = [];
  const hart = new FakeHartModel();
  const windowBytes = 2 * WINDOW_BLOCK_BYTES;
  const options = { hart, clock, entropy: () => {}, ramBytes: RAM_BYTES, windowBytes };
  const machine = new Machine(options);
  const window = machine.openWindow(windowBytes);
  const report = (_level: string, _source: string, text: string) => void logged.push(text);
  return { machine, window, logged, calls: memoryCalls({ machine, clock, report }) };
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

  it("changes RAM, says what was there, and writes it down", () => {
    const { machine, calls, logged } = create();
    const place = BigInt(RAM + 0x1ffe);
    machine.memory.write(RAM + 0x1ffe, Uint8Array.of(1, 2, 3, 4));
    const before = calls.memoryWrite("physical", place, Uint8Array.of(0x41, 0x42, 0x43));
    expect(before.map(({ physical, bytes }) => [physical, [...bytes!]])).toEqual([
      [RAM + 0x1ffe, [1, 2]],
      [RAM + 0x2000, [3]],
    ]);
    expect([...machine.memory.view(RAM + 0x1ffe, 4)!]).toEqual([0x41, 0x42, 0x43, 4]);
    calls.memoryWrite("physical", BigInt(RAM), new Uint8Array(MAX_WRITE_BYTES));
    expect(logged).toEqual([
      "changed 01 02 03 to 41 42 43 at 0x80001ffe",
      "changed 4096 bytes at 0x80000000",
    ]);
  });

  it("announces a change, so that the code there is decoded anew", () => {
    const { machine, calls } = create();
    const written: number[] = [];
    machine.memory.observeWrites((gpa, length) => written.push(gpa, length));
    calls.memoryWrite("physical", BigInt(RAM + 6), Uint8Array.of(1, 0));
    expect(written).toEqual([RAM + 6, 2]);
  });

  it("changes nothing but RAM, and says what is there instead", () => {
    const { machine, window, calls, logged } = create();
    const one = Uint8Array.of(1);
    const uart = calls.memoryMap().areas.find(({ name }) => name === "uart")!;
    const refusals = [
      [BigInt(uart.base), one, "is a register of uart: only RAM"],
      [BigInt(window.base), one, "is memory that is not plugged"],
      [1n << 60n, one, "is not mapped"],
      [4096n, one, "is no memory"],
      [BigInt(RAM + RAM_BYTES - 1), Uint8Array.of(1, 2), "only RAM can be changed"],
      [BigInt(RAM), new Uint8Array(0), "From 1 to 4096 bytes"],
      [BigInt(RAM), new Uint8Array(MAX_WRITE_BYTES + 1), "From 1 to 4096 bytes"],
    ] as const;
    for (const [address, bytes, reason] of refusals) {
      expect(() => calls.memoryWrite("physical", address, bytes), reason).toThrow(reason);
    }
    expect(machine.memory.readU8(RAM + RAM_BYTES - 1)).toBe(0);
    expect(logged).toEqual([]);
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
