import { describe, expect, it } from "vitest";
import type { BlockTarget } from "./block-backend.ts";
import { MemoryBlockBackend } from "./memory-block-backend.ts";

const pattern = (length: number, seed = 1) =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

function read(backend: MemoryBlockBackend, sector: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xee);
  const target: BlockTarget = {
    length,
    alive: true,
    write: (offset, data) => bytes.set(data, offset),
    zero: (offset, count) => void bytes.fill(0, offset, offset + count),
  };
  backend.read(sector, target);
  return bytes;
}

describe("MemoryBlockBackend", () => {
  it("leaves its image alone and holds only what was written", () => {
    const image = pattern(100_000);
    const copy = Uint8Array.from(image);
    const backend = new MemoryBlockBackend({ image });
    expect(backend.sectors).toBe(196);
    backend.write(195, [pattern(512, 99).subarray(0, 100), pattern(512, 99).subarray(100)]);
    expect(image.every((byte, i) => byte === copy[i])).toBe(true);
    expect(backend.bytesHeld).toBe(64 * 1024);
    const data = read(backend, 194, 1024);
    expect(data.subarray(0, 512)).toEqual(image.subarray(194 * 512, 195 * 512));
    expect(data.subarray(512)).toEqual(pattern(512, 99));
  });

  it("reads zeros past its image, and across chunks", () => {
    const backend = new MemoryBlockBackend({ sectors: 1024, image: pattern(700) });
    const data = read(backend, 1, 1024);
    expect(data.subarray(0, 188)).toEqual(pattern(700).subarray(512));
    expect(data.subarray(188).every((byte) => byte === 0)).toBe(true);
    backend.write(127, [pattern(1024, 5)]);
    expect(read(backend, 127, 1024)).toEqual(pattern(1024, 5));
  });

  it("gives zeroed chunks back", () => {
    const backend = new MemoryBlockBackend({ sectors: 1024 });
    backend.write(0, [pattern(512)]);
    backend.writeZeroes(1, 100);
    expect(backend.bytesHeld).toBe(64 * 1024);
    backend.discard(0, 1024);
    expect(backend.bytesHeld).toBe(0);
  });

  it("overwrites what is securely erased, and leaves the image alone", () => {
    const image = pattern(1024);
    const backend = new MemoryBlockBackend({ image, sectors: 1024 });
    backend.write(1, [pattern(512, 9)]);
    backend.write(512, [pattern(512, 9)]);
    backend.secureErase(0, 1024);
    expect(read(backend, 0, 1024).every((byte) => byte === 0)).toBe(true);
    expect(read(backend, 512, 512).every((byte) => byte === 0)).toBe(true);
    expect(backend.bytesHeld).toBe(64 * 1024);
    expect(image).toEqual(pattern(1024));
  });
});
