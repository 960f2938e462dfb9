import { expect, test } from "vitest";
import { MAX_CHANGES, withChange } from "./hex-editor.ts";
import {
  asciiOf,
  atPart,
  byteAtColumn,
  clampTop,
  cursorAfter,
  extentAround,
  partOf,
  rowBytes,
  topAround,
} from "./hex-rows.ts";

const RAM = { base: 0x8000_0000, size: 0x1000_0000, kind: "ram", name: "RAM" } as const;
const extent = { first: 0x8000_0000n, end: 0x9000_0000n };

test("one scrolls through the area around an address, or through a stretch of virtual ones", () => {
  expect(extentAround([RAM], 0x8000_1234n)).toEqual(extent);
  const slot = { base: 0x8000_1000, size: 0x100, kind: "slot", name: "slot" } as const;
  expect(extentAround([RAM, slot], 0x8000_1010n).first).toBe(0x8000_1000n);
  const { first, end } = extentAround(undefined, 0xffff_ffff_ffff_fff0n);
  expect([end, (end - first) % 16n]).toEqual([1n << 64n, 0n]);
  expect(extentAround(undefined, 5n).first).toBe(0n);
});

test("the first and the last row stay in sight", () => {
  expect(clampTop(0n, extent, 10)).toBe(extent.first);
  expect(clampTop(1n << 60n, extent, 10)).toBe(extent.end - 160n);
  expect(clampTop(0x8000_0017n, extent, 10)).toBe(0x8000_0010n);
  expect(partOf(extent.first, extent, 10)).toBe(0);
  expect(partOf(extent.end - 160n, extent, 10)).toBe(1);
  expect(atPart(0.5, extent)).toBe(0x8800_0000n);
});

test("a row has bytes of several runs, and gaps", () => {
  const runs = [
    { address: 0n, length: 4, bytes: Uint8Array.of(65, 66, 0, 255) },
    { address: 4n, length: 4 },
    { address: 8n, length: 8, bytes: new Uint8Array(8).fill(0x20) },
  ];
  const row = rowBytes(runs, 0n);
  expect(row.slice(0, 6)).toEqual([65, 66, 0, 255, undefined, undefined]);
  expect(asciiOf(row)).toBe("AB··            ");
});

test("keys lead from byte to byte and stay in the area, which scrolls no more than it must", () => {
  const at = 0x8000_1234n;
  const after = (key: string, from = at) => cursorAfter(key, from, extent, 10);
  expect(after("ArrowRight")).toBe(at + 1n);
  expect(after("ArrowUp")).toBe(at - 16n);
  expect(after("PageDown")).toBe(at + 128n);
  expect(after("ArrowLeft", extent.first)).toBe(extent.first);
  expect(after("ArrowDown", extent.end - 1n)).toBe(extent.end - 1n);
  expect([after("Home"), after("End"), after("a")]).toEqual([
    extent.first,
    extent.end - 1n,
    undefined,
  ]);
  const top = 0x8000_1200n;
  expect(topAround(at, top, extent, 10)).toBe(top);
  expect(topAround(top - 1n, top, extent, 10)).toBe(top - 16n);
  expect(topAround(top + 160n, top, extent, 10)).toBe(top + 16n);
});

test("a click on either digit of a byte is at this byte", () => {
  const columns = [0, 1, 21, 22, 25, 26, 46, 47];
  const bytes = columns.map((column) => byteAtColumn((column + 0.5) / 48));
  expect(bytes).toEqual([0, 0, 7, 7, 8, 8, 15, 15]);
  expect([byteAtColumn(-0.1), byteAtColumn(1.2)]).toEqual([0, 15]);
});

test("the oldest changes cannot be taken back", () => {
  let done: ReturnType<typeof withChange> = [];
  for (let physical = 0; physical <= MAX_CHANGES; physical++) {
    done = withChange(done, { physical, before: new Uint8Array(1) });
  }
  expect([done.length, done[0].physical]).toEqual([MAX_CHANGES, 1]);
});
