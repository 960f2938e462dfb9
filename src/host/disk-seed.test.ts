import { describe, expect, test } from "vitest";
import { parseSeed, SEED_BLOCK_BYTES, seedChunks } from "./disk-seed.ts";

const CHUNK = 32 << 10;
const meta = { size: 1 << 20, chunkSize: CHUNK };

function seedFile(blocks: Record<number, number>): Uint8Array {
  const records = Object.entries(blocks).map(([number, byte]) => {
    const record = new Uint8Array(4 + SEED_BLOCK_BYTES).fill(byte, 4);
    new DataView(record.buffer).setUint32(0, Number(number), true);
    return [...record];
  });
  return Uint8Array.from(records.flat());
}

describe("disk seed", () => {
  test("blocks go to their places in chunks", () => {
    const chunks = seedChunks(parseSeed(seedFile({ 0: 1, 1: 2, 17: 3 })), meta);
    expect([...chunks.keys()]).toEqual([0, 2]);
    const first = chunks.get(0);
    expect([first?.[0], first?.[4096], first?.[8192]]).toEqual([1, 2, 0]);
    expect(chunks.get(2)?.[4096]).toBe(3);
  });

  test("blocks beyond the disk's end are left out, and a torn file is refused", () => {
    expect(seedChunks(parseSeed(seedFile({ 256: 1 })), meta).size).toBe(0);
    expect(() => parseSeed(new Uint8Array(100))).toThrow(RangeError);
  });
});
