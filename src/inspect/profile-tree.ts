/** Samples of call stacks, gathered in a tree: who called whom, and how often each was met. */

const FRAME_KINDS = ["task", "kernel", "user", "machine"] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

export interface ProfileFrame {
  readonly name: string;
  readonly kind: FrameKind;
}

/** Nodes of the tree: some MiB. What comes when it is full is counted where it would have grown. */
const MAX_NODES = 20_000;

/** Functions in a list: more than a person reads. */
const MAX_TOP = 200;

interface Node {
  readonly frame: ProfileFrame;
  readonly parent: number;
  readonly children: Map<string, number>;
  self: number;
}

export interface TopFunction extends ProfileFrame {
  /** Samples in it, and in it or what it called; each sample counts once. */
  readonly self: number;
  readonly total: number;
}

/** The tree as columns: a node's parent comes before it, and the first is the root. */
export interface PackedProfile {
  readonly names: readonly string[];
  readonly name: Int32Array;
  readonly kinds: readonly FrameKind[];
  /** Places in `names` and `kinds`. */
  readonly kind: Uint8Array;
  /** The root's is -1. */
  readonly parent: Int32Array;
  readonly self: Int32Array;
  readonly total: Int32Array;
}

const ROOT: ProfileFrame = { name: "all", kind: "machine" };
const keyOf = ({ kind, name }: ProfileFrame): string => `${kind} ${name}`;

export class ProfileTree {
  #nodes: Node[] = [];
  #samples = 0;

  constructor() {
    this.clear();
  }

  get samples(): number {
    return this.#samples;
  }

  get isFull(): boolean {
    return this.#nodes.length >= MAX_NODES;
  }

  clear(): void {
    this.#nodes = [{ frame: ROOT, parent: -1, children: new Map(), self: 0 }];
    this.#samples = 0;
  }

  /** Counts a stack, its outermost frame first. */
  add(stack: readonly ProfileFrame[]): void {
    let at = 0;
    for (const frame of stack) {
      const next = this.#nodes[at].children.get(keyOf(frame)) ?? this.#grow(at, frame);
      if (next === undefined) break;
      at = next;
    }
    this.#nodes[at].self++;
    this.#samples++;
  }

  #grow(parent: number, frame: ProfileFrame): number | undefined {
    if (this.isFull) return undefined;
    const index = this.#nodes.push({ frame, parent, children: new Map(), self: 0 }) - 1;
    this.#nodes[parent].children.set(keyOf(frame), index);
    return index;
  }

  pack(): PackedProfile {
    const nodes = this.#nodes;
    const places = new Map<string, number>();
    const name = Int32Array.from(nodes, ({ frame }) => {
      const place = places.get(frame.name) ?? places.size;
      places.set(frame.name, place);
      return place;
    });
    const total = Int32Array.from(nodes, ({ self }) => self);
    for (let k = nodes.length - 1; k > 0; k--) total[nodes[k].parent] += total[k];
    return {
      names: [...places.keys()],
      name,
      kinds: FRAME_KINDS,
      kind: Uint8Array.from(nodes, ({ frame }) => FRAME_KINDS.indexOf(frame.kind)),
      parent: Int32Array.from(nodes, ({ parent }) => parent),
      self: Int32Array.from(nodes, ({ self }) => self),
      total,
    };
  }

  /** Functions by what they took themselves, the greatest first. */
  top(): TopFunction[] {
    const counts = new Map<string, { frame: ProfileFrame; self: number; total: number }>();
    const path: string[] = [];
    const visit = (index: number): number => {
      const { frame, self, children } = this.#nodes[index];
      const key = keyOf(frame);
      // A function that calls itself counts once.
      const isInner = path.includes(key);
      path.push(key);
      let total = self;
      for (const child of children.values()) total += visit(child);
      path.pop();
      const count = counts.get(key) ?? { frame, self: 0, total: 0 };
      counts.set(key, count);
      count.self += self;
      if (!isInner) count.total += total;
      return total;
    };
    visit(0);
    return [...counts.values()]
      .filter(({ frame }) => frame !== ROOT && frame.kind !== "task")
      .map(({ frame, self, total }) => ({ ...frame, self, total }))
      .sort((a, b) => b.self - a.self || b.total - a.total)
      .slice(0, MAX_TOP);
  }

  /** One line for each stack that was met, with its count: what flame graph tools read. */
  folded(): string {
    return this.#stacks()
      .map(
        ({ stack, count }) =>
          `${stack.map(({ name }) => name.replaceAll(";", ":")).join(";")} ${count}\n`,
      )
      .join("");
  }

  /** A file for speedscope (its "sampled" profile), with `ms` between two samples. */
  speedscope(name: string, ms: number): string {
    const places = new Map<string, number>();
    const placeOf = ({ name }: ProfileFrame): number => {
      const place = places.get(name) ?? places.size;
      places.set(name, place);
      return place;
    };
    const stacks = this.#stacks();
    const samples = stacks.map(({ stack }) => stack.map(placeOf));
    const weights = stacks.map(({ count }) => count * ms);
    return JSON.stringify({
      $schema: "https://www.speedscope.app/file-format-schema.json",
      exporter: "tabvisor",
      name,
      shared: { frames: [...places.keys()].map((name) => ({ name })) },
      profiles: [
        {
          type: "sampled",
          name,
          unit: "milliseconds",
          startValue: 0,
          endValue: weights.reduce((sum, weight) => sum + weight, 0),
          samples,
          weights,
        },
      ],
    });
  }

  #stacks(): { readonly stack: readonly ProfileFrame[]; readonly count: number }[] {
    return this.#nodes.flatMap(({ self }, index) =>
      self === 0 ? [] : [{ stack: this.#pathTo(index), count: self }],
    );
  }

  #pathTo(index: number): ProfileFrame[] {
    const path: ProfileFrame[] = [];
    for (let at = index; at > 0; at = this.#nodes[at].parent) path.push(this.#nodes[at].frame);
    return path.reverse();
  }
}
