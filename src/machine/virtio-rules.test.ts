import { describe, expect, it } from "vitest";
import { Feature } from "../virtio/spec.ts";
import { LoadError } from "./load-error.ts";
import { checkVirtioRules, choiceFor, parseVirtioRule } from "./virtio-rules.ts";

describe("a rule for virtio", () => {
  it("is read", () => {
    expect(parseVirtioRule("blk0:packed,in-order,-EVENT_IDX,-9")).toEqual({
      device: "blk0",
      choice: { packed: true, inOrder: true, withhold: [Feature.EVENT_IDX, 9] },
    });
    expect(parseVirtioRule("packed")).toEqual({ choice: { packed: true } });
  });

  it("is refused when it cannot be understood", () => {
    for (const text of [
      "",
      "blk0:",
      "blk0",
      "blk0:EVENT_IDX",
      "-WHAT",
      "-128",
      "-toString",
      "a:b:c",
    ]) {
      expect(() => parseVirtioRule(text), text).toThrow(LoadError);
    }
  });

  it("holds for its device, or for all, and later ones win", () => {
    const rules = ["packed,-EVENT_IDX", "blk0:split,-INDIRECT_DESC"].map(parseVirtioRule);
    const { EVENT_IDX, INDIRECT_DESC } = Feature;
    expect(choiceFor(rules, "net0")).toEqual({ packed: true, withhold: [EVENT_IDX] });
    expect(choiceFor(rules, "blk0")).toEqual({
      packed: false,
      withhold: [EVENT_IDX, INDIRECT_DESC],
    });
    expect(choiceFor([], "blk0")).toEqual({});
  });

  it("must be for a device that is there", () => {
    const rules = ["packed", "blk1:packed"].map(parseVirtioRule);
    expect(() => checkVirtioRules(rules, ["blk0", "net0"])).toThrow(/blk1.*blk0, net0/);
    checkVirtioRules(rules, ["blk1"]);
  });
});
