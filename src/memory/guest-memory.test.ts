import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GuestMemory } from "./guest-memory.ts";

const BASE = 0x8000_0000;
const SIZE = 0x1000;
const HIGH = 0x1_0000_0000;

function create() {
  const buffer = new ArrayBuffer(0x4000);
  const memory = new GuestMemory({ buffer }, [
    { base: BASE, size: SIZE, offset: 0x1000 },
    { base: HIGH, size: SIZE, offset: 0x3000 },
  ]);
  const writes: [number, number][] = [];
  memory.observeWrites((gpa, length) => writes.push([gpa, length]));
  return { buffer, memory, writes };
}

describe("GuestMemory", () => {
  it("refuses regions outside the linear memory", () => {
    const buffer = new ArrayBuffer(0x1000);
    for (const offset of [-1, 1]) {
      const region = { base: 0, size: 0x1000, offset };
      expect(() => new GuestMemory({ buffer }, [region])).toThrow(RangeError);
    }
  });

  it("finds ranges wholly inside one region", () => {
    const { memory } = create();
    expect(memory.offsetOf(BASE, SIZE)).toBe(0x1000);
    expect(memory.offsetOf(BASE + SIZE, 0)).toBe(0x2000);
    expect(memory.offsetOf(HIGH + 1, SIZE - 1)).toBe(0x3001);
    const outside: [number, number][] = [
      [BASE - 1, 2],
      [BASE, SIZE + 1],
      [BASE + SIZE, 1],
      [BASE, -1],
      [BASE, HIGH - BASE + 1],
      [2 ** 64, 1],
      [BASE, 2 ** 64],
      [Number.NaN, 1],
      [BASE, Number.NaN],
    ];
    for (const [gpa, length] of outside) {
      expect(memory.offsetOf(gpa, length)).toBe(-1);
      expect(memory.contains(gpa, length)).toBe(false);
      expect(memory.view(gpa, length)).toBeUndefined();
      expect(memory.writable(gpa, length)).toBeUndefined();
    }
  });

  it("clears what is discarded, and tells of the pages that it changed", () => {
    const { buffer, memory, writes } = create();
    new Uint8Array(buffer).fill(1);
    expect(memory.discard(BASE + 1, SIZE)).toBe(false);
    expect(memory.discard(BASE + 3, SIZE - 6)).toBe(true);
    const bytes = [...new Uint8Array(buffer, 0x1000, SIZE)];
    expect(bytes.slice(0, 4)).toEqual([1, 1, 1, 0]);
    expect(bytes.slice(-4)).toEqual([0, 1, 1, 1]);
    expect(bytes.slice(3, -3).every((byte) => byte === 0)).toBe(true);
    expect(memory.discard(BASE, SIZE)).toBe(true);
    expect(memory.discard(BASE, SIZE)).toBe(true);
    expect(writes).toEqual([
      [BASE + 3, SIZE - 6],
      [BASE, SIZE],
    ]);
  });

  it("shares bytes with its views", () => {
    const { buffer, memory } = create();
    const view = memory.view(BASE + 16, 4);
    memory.writeU32(BASE + 16, 0x0403_0201);
    expect([...(view ?? [])]).toEqual([1, 2, 3, 4]);
    expect([...new Uint8Array(buffer, 0x1010, 4)]).toEqual([1, 2, 3, 4]);
  });

  it("reads and writes little-endian values at any alignment", () => {
    const { memory } = create();
    memory.write(BASE + 1, Uint8Array.of(1, 2, 3, 4, 5, 0, 0, 0));
    expect(memory.readU8(BASE + 2)).toBe(2);
    expect(memory.readU16(BASE + 1)).toBe(0x0201);
    expect(memory.readU32(BASE + 1)).toBe(0x0403_0201);
    expect(memory.readU64(BASE + 1)).toBe(0x5_0403_0201);
    memory.writeU8(BASE, 0x1ff);
    memory.writeU16(BASE + 2, 0xffff);
    expect(memory.readU32(BASE)).toBe(0xffff_01ff);
  });

  it("throws for values outside RAM and changes nothing", () => {
    const { memory, writes } = create();
    const end = BASE + SIZE;
    expect(() => memory.readU8(end)).toThrow(RangeError);
    expect(() => memory.readU64(end - 7)).toThrow(RangeError);
    expect(() => memory.writeU32(end - 3, 1)).toThrow(RangeError);
    expect(() => memory.write(end - 1, Uint8Array.of(1, 2))).toThrow(RangeError);
    expect(memory.readU8(end - 1)).toBe(0);
    expect(writes).toEqual([]);
  });

  it("tells observers of every write, and of views taken for writing", () => {
    const { memory, writes } = create();
    memory.writeU8(BASE, 1);
    memory.writeU16(BASE, 1);
    memory.writeU32(BASE, 1);
    memory.write(BASE, Uint8Array.of(1, 2, 3));
    memory.writable(BASE + 8, 8);
    memory.view(BASE + 8, 8);
    memory.written(BASE + 9, 1);
    expect(writes).toEqual([
      [BASE, 1],
      [BASE, 2],
      [BASE, 4],
      [BASE, 3],
      [BASE + 8, 8],
      [BASE + 9, 1],
    ]);
  });

  it("never hands out a byte outside its regions", () => {
    const near = fc.integer({ min: -20, max: 20 });
    const edge = fc.constantFrom(0, BASE, BASE + SIZE, HIGH, HIGH + SIZE, 2 ** 53, 2 ** 64);
    fc.assert(
      fc.property(edge, near, fc.oneof(near, edge), (start, delta, length) => {
        const { memory } = create();
        const view = memory.view(start + delta, length);
        if (view === undefined) return;
        expect(view.length).toBe(length);
        const inRegion = [0x1000, 0x3000].some(
          (at) => view.byteOffset >= at && view.byteOffset + view.length <= at + SIZE,
        );
        expect(inRegion).toBe(true);
      }),
    );
  });
});
