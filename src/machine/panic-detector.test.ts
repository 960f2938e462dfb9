import { beforeEach, expect, it } from "vitest";
import { MAX_REASON_BYTES, PanicDetector } from "./panic-detector.ts";

let found: string[];
let detector: PanicDetector;
const feed = (text: string) => detector.feed(new TextEncoder().encode(text));

beforeEach(() => {
  found = [];
  detector = new PanicDetector((message) => found.push(message));
});

it("finds the message however it is cut up", () => {
  for (const char of "noise KKernel Kernel panic - not syncing: VFS\n") feed(char);
  expect(found).toEqual(["Kernel panic - not syncing: VFS"]);
});

it("finds each one, and nothing in what only looks alike", () => {
  feed("Kernel panic - not sync\nKernel panic - not syncing\nKernel panic - not syncing: b\n");
  expect(found).toEqual(["Kernel panic - not syncing", "Kernel panic - not syncing: b"]);
});

it("keeps a bounded part of a line without an end", () => {
  feed(`Kernel panic - not syncing: ${"x".repeat(10_000)}`);
  expect(found).toHaveLength(1);
  expect(found[0].length).toBeLessThan(MAX_REASON_BYTES + 40);
});
