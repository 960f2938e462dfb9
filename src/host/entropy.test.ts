import { expect, it } from "vitest";
import { fillRandom } from "./entropy.ts";

it("fills shared memory of any length with random bytes", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(200_000));
  fillRandom(bytes);
  const counts = new Array<number>(256).fill(0);
  for (const byte of bytes) counts[byte]++;
  // 781 are expected of each value; 6 standard deviations leave one false alarm in millions.
  expect(Math.min(...counts)).toBeGreaterThan(781 - 168);
  expect(Math.max(...counts)).toBeLessThan(781 + 168);
  expect(bytes.subarray(-64).some((byte) => byte !== 0)).toBe(true);
});
