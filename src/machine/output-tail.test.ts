import { describe, expect, it } from "vitest";
import { OutputTail, TAIL_BYTES, withoutQuestions } from "./output-tail.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

describe("the tail of the output", () => {
  it("is all of a short output", () => {
    const tail = new OutputTail();
    for (const part of ["a\n", "", "b"]) tail.add(bytes(part));
    expect(text(tail.toBytes())).toBe("a\nb");
  });

  it("begins with a whole line of a long one, however it came", () => {
    for (const length of [1, 7, 1000, TAIL_BYTES, 3 * TAIL_BYTES]) {
      const tail = new OutputTail();
      const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}\n`).join("");
      for (let at = 0; at < lines.length; at += length) {
        tail.add(bytes(lines.slice(at, at + length)));
      }
      const kept = text(tail.toBytes());
      expect(kept).toMatch(/^line \d+\n/);
      expect(lines.endsWith(kept)).toBe(true);
      expect(kept.length).toBeGreaterThan(TAIL_BYTES - 100);
      expect(kept.length).toBeLessThanOrEqual(TAIL_BYTES);
    }
  });

  it("is the end of a line that is longer", () => {
    const tail = new OutputTail();
    tail.add(bytes("x".repeat(3 * TAIL_BYTES)));
    expect(text(tail.toBytes())).toBe("x".repeat(TAIL_BYTES));
  });
});

it("asks the terminal nothing again", () => {
  const obeyed = "a\x1b[1;31mb\x1b[K\x1b[2J\x1b[?25hc";
  const questions = "\x1b[6n\x1b[c\x1b[>0c\x1b]10;?\x07\x1bP$qm\x1b\\\x1bZ\x1b[18t";
  expect(text(withoutQuestions(bytes(`${questions}${obeyed}${questions}d\x1b[6`)))).toBe(
    `${obeyed}d`,
  );
  expect(text(withoutQuestions(bytes("ä\x1b")))).toBe("ä");
});
