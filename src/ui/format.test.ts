import { expect, it } from "vitest";
import { formatBytes, formatMips } from "./format.ts";

it("formats bytes in at most three digits", () => {
  const shown = [0, 999, 1000, 3_245_000, 99_960_000, 999_499_999, 999_500_000, 4e12].map(
    formatBytes,
  );
  expect(shown).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "3.2 MB",
    "100 MB",
    "999 MB",
    "1.0 GB",
    "4.0 TB",
  ]);
});

it("formats speeds", () => {
  expect([0, 0.04, 9.94, 9.96, 1234.4].map(formatMips)).toEqual([
    "0.0",
    "0.0",
    "9.9",
    "10",
    "1234",
  ]);
});
