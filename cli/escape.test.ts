import { expect, it } from "vitest";
import { EscapeFilter } from "./escape.ts";

function typed(...pieces: string[]): [string, string[]] {
  const commands: string[] = [];
  const filter = new EscapeFilter((command) => commands.push(command));
  const out = pieces.map((piece) => filter.filter(new TextEncoder().encode(piece)));
  return [out.map((bytes) => new TextDecoder().decode(bytes)).join(""), commands];
}

it("passes what is typed and takes out its own keys", () => {
  expect(typed("ls\r")).toEqual(["ls\r", []]);
  expect(typed("a\x01xb")).toEqual(["ab", ["quit"]]);
  expect(typed("\x01H", "\x01?", "\x01m\x01+\x01-")).toEqual([
    "",
    ["help", "help", "memory", "plug", "unplug"],
  ]);
});

it("works across pieces, and lets Ctrl-A through when it is typed twice", () => {
  expect(typed("\x01", "X")).toEqual(["", ["quit"]]);
  expect(typed("\x01\x01", "\x01a")).toEqual(["\x01\x01", []]);
  expect(typed("\x01zq")).toEqual(["q", []]);
});
