/**
 * Turns a control-flow graph into WebAssembly's nested blocks and loops.
 *
 * The graph is cut into strongly connected components in topological order. Forward edges leave
 * nested blocks; a component that is a loop with one way in becomes a `loop` whose header is
 * branched to; one with several ways in (irreducible code, or a loop that calls and is returned into)
 * gets a dispatch at its head, by a variable that says which way is meant. The inside of a loop, with
 * the edges back to its head cut, is treated in the same way.
 */
import {
  block,
  br,
  brTable,
  i32,
  type Label,
  type Local,
  label,
  loop,
  type Stmt,
  set,
  when,
} from "../../wasm/expr.ts";

export interface Graph {
  readonly size: number;
  readonly successors: (node: number) => readonly number[];
  /** The node's code. `goTo` gives the statements of an edge to a successor. */
  readonly emit: (node: number, goTo: (target: number) => readonly Stmt[]) => readonly Stmt[];
  /** What is done at each edge back to the head of a loop, before going there. */
  readonly backEdge: (from: number, target: number) => readonly Stmt[];
  /**
   * Whether edges from this node are ways in from outside. Such an edge into the middle of a loop
   * does not make it the head of one: it passes through the loop's own head, which sends it on.
   */
  readonly isOutside: (node: number) => boolean;
}

type GoTo = (target: number, from: number) => readonly Stmt[];

/** Stands for the code before the graph, which is at no node. */
const BEFORE = -1;

/** `entries[selector]` is where the code starts. Every path must end in a branch out. */
export function structure(
  graph: Graph,
  entries: readonly number[],
  selector: Local<"i32">,
): readonly Stmt[] {
  const nodes = reachable(graph, entries);
  const nowhere: GoTo = (target) => {
    throw new Error(`no way to node ${target}`);
  };
  return emitSet(graph, nodes, entries, selector, new Set(), nowhere);
}

function reachable(graph: Graph, entries: readonly number[]): Set<number> {
  const seen = new Set(entries);
  const work = [...seen];
  for (let node = work.pop(); node !== undefined; node = work.pop()) {
    for (const next of graph.successors(node)) {
      if (seen.has(next)) continue;
      seen.add(next);
      work.push(next);
    }
  }
  return seen;
}

interface Component {
  readonly nodes: readonly number[];
  readonly isLoop: boolean;
  /** Nodes that edges from elsewhere lead to. */
  readonly heads: readonly number[];
  /** Those of them at which the loop's turns begin: edges to these lead back. */
  readonly turns: ReadonlySet<number>;
  /** Which head is meant, if there are several. */
  readonly choice: Local<"i32"> | undefined;
  /** The end of this block is the start of the component's code. */
  readonly start: Label;
}

/**
 * Code for `nodes`, entered at `entries[selector]`. Edges to nodes in `cut`, and out of the set, are
 * the business of `outer`.
 */
function emitSet(
  graph: Graph,
  nodes: ReadonlySet<number>,
  entries: readonly number[],
  selector: Local<"i32">,
  cut: ReadonlySet<number>,
  outer: GoTo,
): readonly Stmt[] {
  const kept = new Map<number, readonly number[]>();
  for (const node of nodes) {
    kept.set(
      node,
      graph.successors(node).filter((next) => nodes.has(next) && !cut.has(next)),
    );
  }
  const inside = (node: number): readonly number[] => kept.get(node) ?? [];
  const components = componentsOf(graph, nodes, inside, entries, cut);
  const home = new Map<number, Component>();
  for (const component of components) for (const node of component.nodes) home.set(node, component);
  const goTo: GoTo = (target, from) => {
    const component = cut.has(target) ? undefined : home.get(target);
    return component === undefined ? outer(target, from) : enter(component, target);
  };
  // The entries of a loop are cut from its inside, so they are looked up here and not by `goTo`.
  const start: GoTo = (entry) => {
    const component = home.get(entry);
    return component === undefined ? outer(entry, BEFORE) : enter(component, entry);
  };
  let code: readonly Stmt[] = dispatch(entries, selector, start, components[0]);
  for (const component of components) {
    const body = component.isLoop
      ? emitLoop(graph, component, goTo)
      : graph.emit(component.nodes[0], (target) => goTo(target, component.nodes[0]));
    code = [block(component.start, code), ...body];
  }
  return code;
}

/** Branches to a component that comes later in the code. */
function enter(component: Component, target: number): readonly Stmt[] {
  const go = br(component.start);
  if (component.choice === undefined) return [go];
  return [set(component.choice, component.heads.indexOf(target)), go];
}

/** Goes to the selected entry; the code of `first` follows directly. */
function dispatch(
  entries: readonly number[],
  selector: Local<"i32">,
  goTo: GoTo,
  first: Component,
): readonly Stmt[] {
  if (entries.length === 1) {
    const [entry] = entries;
    return first.choice === undefined ? [] : [set(first.choice, first.heads.indexOf(entry))];
  }
  const plain = entries.map((entry) => goTo(entry, BEFORE));
  const labels = plain.flatMap(([stmt, ...rest]) =>
    rest.length === 0 && stmt.kind === "br" ? [stmt.label] : [],
  );
  if (labels.length === entries.length) return [brTable(selector, labels, labels[0])];
  const last = entries.length - 1;
  return [
    ...plain.slice(0, last).map((stmts, k) => when(i32.eq(selector, k), stmts)),
    ...plain[last],
  ];
}

function emitLoop(graph: Graph, component: Component, goTo: GoTo): readonly Stmt[] {
  const head = label("head");
  const choice = component.choice ?? i32.local();
  const inner: GoTo = (target, from) => {
    if (!component.turns.has(target)) return goTo(target, from);
    const choose =
      component.choice === undefined ? [] : [set(choice, component.heads.indexOf(target))];
    return [...graph.backEdge(from, target), ...choose, br(head)];
  };
  const nodes = new Set(component.nodes);
  return [loop(head, emitSet(graph, nodes, component.heads, choice, component.turns, inner))];
}

/** Tarjan's strongly connected components, in topological order. */
function componentsOf(
  graph: Graph,
  nodes: ReadonlySet<number>,
  successors: (node: number) => readonly number[],
  entries: readonly number[],
  cut: ReadonlySet<number>,
): Component[] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const groups: number[][] = [];
  const visit = (node: number): void => {
    const mine = index.size;
    index.set(node, mine);
    low.set(node, mine);
    stack.push(node);
    onStack.add(node);
    for (const next of successors(node)) {
      if (!index.has(next)) {
        visit(next);
        low.set(node, Math.min(low.get(node) ?? 0, low.get(next) ?? 0));
      } else if (onStack.has(next)) {
        low.set(node, Math.min(low.get(node) ?? 0, index.get(next) ?? 0));
      }
    }
    if (low.get(node) !== mine) return;
    const group: number[] = [];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      onStack.delete(top);
      group.push(top);
      if (top === node) break;
    }
    groups.push(group);
  };
  // The last entry first: the first one then leads the reversed order.
  for (const entry of [...entries].reverse()) if (!index.has(entry)) visit(entry);
  for (const node of nodes) if (!index.has(node)) visit(node);
  const home = new Map<number, readonly number[]>();
  for (const group of groups) for (const node of group) home.set(node, group);
  const heads = new Set(entries);
  // Entries that are cut here are the turns of the loop around.
  const turns = new Set(entries.filter((entry) => cut.has(entry)));
  for (const node of nodes) {
    for (const next of successors(node)) {
      if (home.get(next) === home.get(node)) continue;
      heads.add(next);
      if (!graph.isOutside(node)) turns.add(next);
    }
  }
  return groups.reverse().map((group) => componentOf(group, successors, heads, turns));
}

/**
 * `entered` has the nodes to which edges lead from another component or from elsewhere, `turned`
 * those of them where the edge is not a way in from outside.
 */
function componentOf(
  group: readonly number[],
  successors: (node: number) => readonly number[],
  entered: ReadonlySet<number>,
  turned: ReadonlySet<number>,
): Component {
  const isLoop = group.length > 1 || successors(group[0]).includes(group[0]);
  const heads = group.filter((node) => entered.has(node));
  const natural = heads.filter((node) => turned.has(node));
  return {
    nodes: group,
    isLoop,
    heads,
    turns: new Set(natural.length > 0 ? natural : heads),
    choice: isLoop && heads.length > 1 ? i32.local() : undefined,
    start: label("start"),
  };
}
