import { expect, test } from "vitest";
import { MAX_CHANGES, withChange } from "./hex-editor.ts";
import {
  asciiOf,
  atPart,
  byteAtColumn,
  bytesOfRow,
  clampTop,
  cursorAfter,
  extentAround,
  partOf,
  rowBytesFor,
  topAround,
} from "./hex-rows.ts";

const RAM = { base: 0x8000_0000, size: 0x1000_0000, kind: "ram", name: "RAM" } as const;
const grid = { rows: 10, rowBytes: 16 };
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
  expect(clampTop(0n, extent, grid)).toBe(extent.first);
  expect(clampTop(1n << 60n, extent, grid)).toBe(extent.end - 160n);
  expect(clampTop(0x8000_0017n, extent, grid)).toBe(0x8000_0010n);
  expect(partOf(extent.first, extent, grid)).toBe(0);
  expect(partOf(extent.end - 160n, extent, grid)).toBe(1);
  expect(atPart(0.5, extent)).toBe(0x8800_0000n);
});

test("a row has bytes of several runs, and gaps", () => {
  const runs = [
    { address: 0n, length: 4, bytes: Uint8Array.of(65, 66, 0, 255) },
    { address: 4n, length: 4 },
    { address: 8n, length: 8, bytes: new Uint8Array(8).fill(0x20) },
  ];
  const row = bytesOfRow(runs, 0n, 16);
  expect(row.slice(0, 6)).toEqual([65, 66, 0, 255, undefined, undefined]);
  expect(asciiOf(row)).toBe("AB··            ");
});

test("keys lead from byte to byte and stay in the area, which scrolls no more than it must", () => {
  const at = 0x8000_1234n;
  const after = (key: string, from = at) => cursorAfter(key, from, extent, grid);
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
  expect(topAround(at, top, extent, grid)).toBe(top);
  expect(topAround(top - 1n, top, extent, grid)).toBe(top - 16n);
  expect(topAround(top + 160n, top, extent, grid)).toBe(top + 16n);
});

test("a click on either digit of a byte is at this byte", () => {
  const columns = [0, 1, 21, 22, 25, 26, 46, 47];
  const bytes = columns.map((column) => byteAtColumn((column + 0.5) / 48, 16));
  expect(bytes).toEqual([0, 0, 7, 7, 8, 8, 15, 15]);
  expect([byteAtColumn(-0.1, 16), byteAtColumn(1.2, 16)]).toEqual([0, 15]);
});

test("a narrow view has shorter rows", () => {
  expect([74, 73, 42, 41, 1].map((columns) => rowBytesFor(columns, 10))).toEqual([16, 8, 8, 4, 4]);
  expect(rowBytesFor(47, 16)).toBe(4);
  const narrow = { rows: 10, rowBytes: 8 };
  expect(clampTop(0x8000_001fn, extent, narrow)).toBe(0x8000_0018n);
  expect(clampTop(1n << 60n, extent, narrow)).toBe(extent.end - 80n);
  expect(cursorAfter("ArrowDown", 0x8000_0000n, extent, narrow)).toBe(0x8000_0008n);
  expect(topAround(0x8000_0050n, extent.first, extent, narrow)).toBe(0x8000_0008n);
  expect(bytesOfRow([{ address: 0n, length: 16 }], 8n, 8)).toHaveLength(8);
  expect([10, 13].map((column) => byteAtColumn((column + 0.5) / 24, 8))).toEqual([3, 4]);
});

test("the oldest changes cannot be taken back", () => {
  let done: ReturnType<typeof withChange> = [];
  for (let physical = 0; physical <= MAX_CHANGES; physical++) {
    done = withChange(done, { physical, before: new Uint8Array(1) });
  }
  expect([done.length, done[0].physical]).toEqual([MAX_CHANGES, 1]);
});
