import { describe, expect, it } from "vitest";
// @ts-expect-error: a script without type declarations.
import { check, MAX_LINES, readTree } from "./check-layers.mjs";

const run = (files: { [path: string]: string }): string[] => check(new Map(Object.entries(files)));

const B = { "src/bus/b.ts": "export {}" };

describe("imports", () => {
  it("may go down the list", () => {
    expect(run({ "src/irq/a.ts": 'import { x } from "../bus/b.ts";', ...B })).toEqual([]);
    expect(run({ "src/bus/a.ts": 'import { x } from "./b.ts";', ...B })).toEqual([]);
    expect(run({ "src/bus/a.ts": 'import { join } from "node:path";' })).toEqual([]);
  });

  it("may not go up or across, whatever their form", () => {
    const wrong = [
      'import { x } from "../bus/b.ts";',
      'import type { x } from "../bus/b.ts";',
      'import {\n  type x,\n  y,\n} from "../bus/b.ts";',
      'export * from "../bus/b.ts";',
      'export { x } from "../bus/b.ts";',
      'import "../bus/b.ts";',
      'const m = await import("../bus/b.ts");',
    ];
    for (const text of wrong) {
      expect(run({ "src/memory/a.ts": text, ...B })).toEqual([
        "src/memory/a.ts: src/memory may not import src/bus/b.ts",
      ]);
    }
  });

  it("in comments are text", () => {
    expect(
      run({ "src/memory/a.ts": '// import "../bus/b.ts";\n/* from "../bus/b.ts" */' }),
    ).toEqual([]);
  });

  it("let the page see the protocol alone", () => {
    const worker = { "src/worker/protocol.ts": "", "src/worker/main.ts": "" };
    expect(run({ "src/ui/a.tsx": 'import "../worker/protocol.ts";', ...worker })).toEqual([]);
    expect(run({ "src/ui/a.tsx": 'import "../worker/main.ts";', ...worker })).toHaveLength(1);
    const start = 'new Worker(new URL("../worker/main.ts", import.meta.url));';
    expect(run({ "src/ui/a.tsx": start, ...worker })).toEqual([]);
  });

  it("let tests look up, but nothing look into tests", () => {
    expect(run({ "src/memory/a.test.ts": 'import "../bus/b.ts";', ...B })).toEqual([]);
    expect(
      run({ "src/irq/a.ts": 'import "../bus/testing/b.ts";', "src/bus/testing/b.ts": "" }),
    ).toEqual(["src/irq/a.ts: imports src/bus/testing/b.ts, a test's"]);
  });

  it("of files that are not there are faults", () => {
    expect(run({ "src/bus/a.ts": 'import "./gone.ts";' })).toEqual([
      "src/bus/a.ts: src/bus/gone.ts does not exist",
    ]);
  });

  it("in a circle are faults, through types too", () => {
    const files = {
      "src/bus/a.ts": 'import type { b } from "./b.ts";',
      "src/bus/b.ts": 'import type { c } from "./c.ts";',
      "src/bus/c.ts": 'import type { a } from "./a.ts";',
    };
    expect(run(files)).toEqual([
      "import cycle: src/bus/a.ts -> src/bus/b.ts -> src/bus/c.ts -> src/bus/a.ts",
    ]);
  });
});

describe("text", () => {
  it("is bounded in length", () => {
    expect(run({ "src/bus/a.ts": "x;\n".repeat(MAX_LINES) })).toEqual([]);
    expect(run({ "src/bus/a.ts": "x;\n".repeat(MAX_LINES + 1) })).toHaveLength(1);
  });

  it("has none of the banned words", () => {
    for (const text of [
      `// TO${"DO"}: later`,
      `// FIX${"ME"}`,
      `// XX${"X"}`,
      `// @ts-${"ignore"}`,
      `const a = b as ${"any"};`,
      `it.${"only"}("x", () => {});`,
    ]) {
      expect(run({ "cli/a.ts": text }), text).toHaveLength(1);
    }
    expect(run({ "cli/a.ts": "const todo = only; // a method" })).toEqual([]);
  });
});

it("reads the tree it is in", () => {
  const files: Map<string, string> = readTree(new URL("..", import.meta.url).pathname);
  expect(files.has("scripts/check-layers.mjs")).toBe(true);
  expect([...files.keys()].some((path) => path.includes("node_modules"))).toBe(false);
});
