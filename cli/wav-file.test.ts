import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { WavFiles, wavHeader } from "./wav-file.ts";

const folder = mkdtempSync(join(tmpdir(), "wav-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("writes a file for each stream", () => {
  const files = new WavFiles(join(folder, "played.wav"));
  const first = files.listen({ sample: "s16", channels: 2, rate: 44_100 });
  first.played?.(Uint8Array.of(1, 2, 3, 4));
  first.played?.(Uint8Array.of(5, 6, 7, 8));
  first.closed(false);
  files.listen({ sample: "float", channels: 1, rate: 8000 }).played?.(new Uint8Array(4));
  files.close();
  expect(readdirSync(folder)).toEqual(["played-2.wav", "played.wav"]);
  const wav = readFileSync(join(folder, "played.wav"));
  expect(wav.toString("latin1", 0, 4) + wav.toString("latin1", 8, 16)).toBe("RIFFWAVEfmt ");
  expect(wav.readUInt32LE(4)).toBe(wav.length - 8);
  // Format 1, two channels, 44100 frames and 176400 bytes a second, four bytes a frame, 16 bits.
  const format = [wav.readUInt16LE(20), wav.readUInt16LE(22), wav.readUInt32LE(24)];
  expect(format).toEqual([1, 2, 44_100]);
  const sizes = [wav.readUInt32LE(28), wav.readUInt16LE(32), wav.readUInt16LE(34)];
  expect(sizes).toEqual([176_400, 4, 16]);
  expect([...wav.subarray(40)]).toEqual([8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
  const float = readFileSync(join(folder, "played-2.wav"));
  expect(
    float.equals(
      Buffer.concat([wavHeader({ sample: "float", channels: 1, rate: 8000 }, 4), Buffer.alloc(4)]),
    ),
  ).toBe(true);
  expect(float.readUInt16LE(20)).toBe(3);
});
