import { expect, test } from "vitest";
import { asciiOf, atPart, clampTop, extentAround, partOf, rowBytes } from "./hex-rows.ts";

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
