/** Where the boxes of a flame graph are: callers above, what they called below, as wide as its time. */
import type { PackedProfile } from "../../inspect/calls.ts";

export interface FlameBox {
  /** The node of the tree. */
  readonly node: number;
  readonly depth: number;
  /** Parts of the whole width. */
  readonly left: number;
  readonly width: number;
}

/** Narrower boxes, in parts of the whole, would be less than a pixel. */
const MIN_WIDTH = 0.0008;

/** Boxes below this depth: a stack is bounded, this only bounds the drawing of a wrong one. */
const MAX_DEPTH = 128;

/** Children of each node, in the order of their names, so that boxes keep their places. */
export function childrenOf({ parent, name, names }: PackedProfile): number[][] {
  const children: number[][] = Array.from(parent, () => []);
  for (const [node, above] of parent.entries()) if (above >= 0) children[above].push(node);
  const text = (node: number): string => names[name[node]];
  for (const list of children) list.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  return children;
}

/** The boxes to draw with `zoomed` as wide as the drawing, its callers above it. */
export function layOut(tree: PackedProfile, zoomed: number): FlameBox[] {
  const path: number[] = [];
  for (let at = zoomed; at >= 0; at = tree.parent[at]) path.unshift(at);
  const boxes: FlameBox[] = path.map((node, depth) => ({ node, depth, left: 0, width: 1 }));
  const children = childrenOf(tree);
  const whole = Math.max(tree.total[zoomed] ?? 0, 1);
  let row = boxes.slice(-1);
  for (let depth = path.length; row.length > 0 && depth < MAX_DEPTH; depth++) {
    const next: FlameBox[] = [];
    for (const { node, left } of row) {
      let at = left;
      for (const child of children[node]) {
        const width = tree.total[child] / whole;
        if (width >= MIN_WIDTH) next.push({ node: child, depth, left: at, width });
        at += width;
      }
    }
    boxes.push(...next);
    row = next;
  }
  return boxes;
}

/** The nodes whose names have the text, and how many samples are in or below them. */
export function findFrames(
  { names, name, parent, total }: PackedProfile,
  text: string,
): { readonly nodes: ReadonlySet<number>; readonly samples: number } {
  const nodes = new Set<number>();
  let samples = 0;
  const wanted = text.toLowerCase();
  if (wanted === "") return { nodes, samples };
  const inFound = new Uint8Array(parent.length);
  for (let node = 1; node < parent.length; node++) {
    const isInside = inFound[parent[node]] === 1;
    const isFound = names[name[node]].toLowerCase().includes(wanted);
    if (isFound) nodes.add(node);
    // What is inside of one that was found has been counted with it.
    if (isFound && !isInside) samples += total[node];
    inFound[node] = isFound || isInside ? 1 : 0;
  }
  return { nodes, samples };
}
