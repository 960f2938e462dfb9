import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseFilter } from "./filter.ts";
import { FilterError } from "./filter-error.ts";
import type { RequestReader } from "./reader.ts";

interface Facts {
  readonly device: string;
  readonly type: string;
  readonly op: string;
  readonly summary: string;
  readonly slot: number;
  readonly bytes: number;
  readonly latency: number;
  readonly outcome: string;
  readonly isSuppressed: boolean;
}

const WRITE: Facts = {
  device: "blk0",
  type: "block",
  op: "write",
  summary: "sector 2048, 8 KiB",
  slot: 5,
  bytes: 8209,
  latency: 140,
  outcome: "done",
  isSuppressed: false,
};

/** What a filter reads, from a plain object. */
function readerOf(facts: Facts): RequestReader {
  const reader: Partial<RequestReader> = {
    device: () => facts.device,
    typeName: () => facts.type,
    op: () => facts.op,
    decode: () => ({ op: facts.op, summary: facts.summary, fields: [] }),
    slot: () => facts.slot,
    bytes: () => facts.bytes,
    latency: () => facts.latency,
    outcome: () => facts.outcome as ReturnType<RequestReader["outcome"]>,
    isSuppressed: () => facts.isSuppressed,
  };
  return reader as RequestReader;
}

const matches = (filter: string, facts: Partial<Facts> = {}): boolean =>
  parseFilter(filter)(readerOf({ ...WRITE, ...facts }), 7);

describe("a filter", () => {
  it.each([
    "",
    "  ",
    "dev:block",
    "dev:blk",
    "dev=blk0",
    "op:write len>4096",
    "OP:WRITE",
    "slot=5 and slot!=4",
    "latency>100us",
    "latency>=0.14ms latency<1s",
    "len<=9k",
    "len>0x1000",
    "not op:read",
    "!op:read",
    "!!op:write",
    "ok:yes is:done",
    "ok!=no",
    "is!=suppressed",
    "seq:7",
    "sector",
    '"sector 2048, 8"',
    "text:KIB",
    'text:"8 kib"',
    "op:read or op:write",
    "(op:read or op:write) dev:block",
    "op:read dev:block or op:write",
    "not (op:read or dev:net)",
    "blk0 write 2048",
  ])("lets the request through: %s", (filter) => {
    expect(matches(filter)).toBe(true);
  });

  it.each([
    "dev:net",
    "dev=blk",
    "op:write len<4096",
    "slot=4",
    "latency>1ms",
    "not write",
    "ok:no",
    "is:in-flight",
    "op:write (dev:net or slot=1)",
    "op:read or dev:net",
    "dev!=block",
  ])("keeps the request out: %s", (filter) => {
    expect(matches(filter)).toBe(false);
  });

  it("calls errors, malformed chains and what was dropped not ok", () => {
    for (const outcome of ["failed", "malformed", "dropped"]) {
      expect(matches("ok:no", { outcome })).toBe(true);
    }
    expect(matches("ok:yes", { outcome: "in-flight" })).toBe(true);
  });

  it("does not compare a time that has not come", () => {
    const facts = { latency: Number.NaN };
    expect(matches("latency<1s", facts) || matches("latency>=1s", facts)).toBe(false);
  });

  it.each([
    ["size>3", 0, 'no field "size"'],
    ["dev:block foo=1", 10, 'no field "foo"'],
    ["len>", 4, "needs a value"],
    ["len>many", 4, "len wants a number"],
    ["len>3us", 4, "with k, m, g"],
    ["latency>3k", 8, "with ns, us"],
    ["ok:maybe", 3, "one of yes, no"],
    ["op>write", 2, "no number"],
    ["(dev:block", 0, "never closed"],
    ["dev:block)", 9, "closes nothing"],
    ["dev:block or", 12, "something is missing"],
    ["or dev:block", 0, "something before it"],
    ["not", 3, "something is missing"],
    [": block", 0, "needs a field"],
    ['text:"open', 5, "does not end"],
    ["()", 1, "something before it"],
    ["!".repeat(1000), 100, "nested"],
    ["__proto__:1", 0, "no field"],
    ["len>1constructor", 4, "len wants a number"],
  ])("says what is wrong and where: %s", (filter, at, message) => {
    let error: unknown;
    try {
      parseFilter(filter);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(FilterError);
    expect(error).toMatchObject({ at, message: expect.stringContaining(message) });
  });

  it("throws nothing but its own errors, with a place in the text", () => {
    const piece = fc.constantFrom(
      ...["dev", ":", "block", " ", "(", ")", "!", "not ", " or ", " and ", "len", ">", "4k", '"'],
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(text, (filter) => {
        try {
          expect(typeof matches(filter)).toBe("boolean");
        } catch (error) {
          if (!(error instanceof FilterError)) throw error;
          expect(error.at).toBeGreaterThanOrEqual(0);
          expect(error.at).toBeLessThanOrEqual(filter.length);
        }
      }),
    );
  });

  it("means what it says, however it is put together", () => {
    interface Tree {
      readonly text: string;
      readonly value: boolean;
    }
    const leaf: fc.Arbitrary<Tree> = fc.constantFrom(
      { text: "dev:block", value: true },
      { text: "slot>9", value: false },
      { text: "sector", value: true },
      { text: "op=read", value: false },
    );
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        leaf,
        tie("tree").map(({ text, value }) => ({ text: `not (${text})`, value: !value })),
        fc.tuple(tie("tree"), tie("tree"), fc.constantFrom(" ", " and ")).map(([a, b, joint]) => ({
          text: `(${a.text})${joint}(${b.text})`,
          value: a.value && b.value,
        })),
        fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => ({
          text: `(${a.text} or ${b.text})`,
          value: a.value || b.value,
        })),
      ),
    }));
    fc.assert(
      fc.property(tree, ({ text, value }) => {
        expect(matches(text)).toBe(value);
      }),
    );
  });
});
