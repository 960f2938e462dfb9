import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, inflateSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { encodePng, encodePpm, Picture } from "./picture.ts";

const folder = mkdtempSync(join(tmpdir(), "picture-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Two by two pixels from the middle of four by three; the bytes count up. */
const FRAME = {
  pixels: Uint8ClampedArray.from({ length: 48 }, (_, i) => i),
  stride: 4,
  x: 1,
  y: 1,
  width: 2,
  height: 2,
};
const ROWS = [
  [20, 21, 22, 24, 25, 26],
  [36, 37, 38, 40, 41, 42],
];

/** The chunks of a PNG with their checksums verified. */
function chunksOf(png: Buffer): [string, Buffer][] {
  const chunks: [string, Buffer][] = [];
  for (let at = 8; at < png.length; ) {
    const end = at + 8 + png.readUInt32BE(at);
    expect(png.readUInt32BE(end)).toBe(crc32(png.subarray(at + 4, end)));
    chunks.push([png.toString("latin1", at + 4, at + 8), png.subarray(at + 8, end)]);
    at = end + 4;
  }
  return chunks;
}

describe("pictures", () => {
  it("are PNG", () => {
    const chunks = chunksOf(encodePng(FRAME));
    expect(chunks.map(([type]) => type)).toEqual(["IHDR", "IDAT", "IEND"]);
    expect([...chunks[0][1]]).toEqual([0, 0, 0, 2, 0, 0, 0, 2, 8, 2, 0, 0, 0]);
    expect([...inflateSync(chunks[1][1])]).toEqual([0, ...ROWS[0], 0, ...ROWS[1]]);
  });

  it("are PPM", () => {
    const text = "P6\n2 2\n255\n";
    expect([...encodePpm(FRAME)]).toEqual([...Buffer.from(text), ...ROWS.flat()]);
  });

  it("are of what was shown last", () => {
    const picture = new Picture();
    const path = join(folder, "last.PPM");
    expect(picture.save(path)).toBe(false);
    picture.show(FRAME);
    picture.show(undefined);
    expect(picture.save(path)).toBe(true);
    expect(readFileSync(path).equals(encodePpm(FRAME))).toBe(true);
  });
});
