import { expect, test } from "vitest";
import { ProfileTree } from "../../inspect/profile-tree.ts";
import { findFrames, layOut } from "./flame-layout.ts";

const frame = (name: string) => ({ name, kind: "kernel" as const });
function tree(stacks: readonly (readonly [string, number])[]) {
  const made = new ProfileTree();
  for (const [stack, count] of stacks) {
    for (let k = 0; k < count; k++) made.add(stack.split(" ").map(frame));
  }
  return made;
}
const SAMPLE = [
  ["b x", 1],
  ["a x y", 2],
  ["a", 1],
] as const;

test("boxes are as wide as their samples, and siblings stand by their names", () => {
  const packed = tree(SAMPLE).pack();
  const boxes = layOut(packed, 0).map(({ node, depth, left, width }) => [
    ...[packed.names[packed.name[node]], depth],
    ...[left, width],
  ]);
  expect(boxes).toEqual([
    ["all", 0, 0, 1],
    ["a", 1, 0, 0.75],
    ["b", 1, 0.75, 0.25],
    ["x", 2, 0, 0.5],
    ["x", 2, 0.75, 0.25],
    ["y", 3, 0, 0.5],
  ]);
});

test("a box that was zoomed to has its callers above", () => {
  const packed = tree(SAMPLE).pack();
  const y = packed.names.indexOf("y");
  const boxes = layOut(packed, [...packed.name].indexOf(y));
  expect(boxes.map(({ node, width }) => [packed.names[packed.name[node]], width])).toEqual([
    ["all", 1],
    ["a", 1],
    ["x", 1],
    ["y", 1],
  ]);
});

test("a search counts each sample once", () => {
  const packed = tree([
    ["x x", 2],
    ["a X", 1],
    ["b", 1],
  ]).pack();
  const { nodes, samples } = findFrames(packed, "x");
  expect([nodes.size, samples]).toEqual([3, 3]);
  expect(findFrames(packed, "").samples).toBe(0);
});
