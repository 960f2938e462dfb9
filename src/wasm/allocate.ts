/**
 * Gives the variables of a function their numbers. Variables that are never needed at the same time
 * share one: an engine clears every local at each call, and looks at all of them wherever control
 * flow joins, so that a thousand short-lived ones would cost more than the code between them.
 */
import type { Expr, Local, Stmt } from "./node.ts";
import type { ValType } from "./opcodes.ts";

/** Numbers of all variables that are not parameters, and the types of the numbers in order. */
export interface Allocation {
  readonly indices: ReadonlyMap<Local, number>;
  readonly types: readonly ValType[];
}

/** Where a variable is needed, in mentions counted from the start of the function. */
interface Range {
  readonly local: Local;
  readonly first: number;
  last: number;
  /** The innermost list of statements around its first mention. */
  readonly scope: number;
  /** Set before every use, so that its storage may have held something else before. */
  reusable: boolean;
}

interface Loop {
  readonly start: number;
  readonly touched: Range[];
}

export function allocate(params: readonly Local[], body: readonly Stmt[]): Allocation {
  return assign(params, new Scan(params).run(body));
}

class Scan {
  readonly #ranges = new Map<Local, Range>();
  readonly #params: ReadonlySet<Local>;
  /** Whether the scope of each number encloses the place that is looked at. */
  readonly #isOpen: boolean[] = [];
  readonly #loops: Loop[] = [];
  #scope = 0;
  #mentions = 0;

  constructor(params: readonly Local[]) {
    this.#params = new Set(params);
  }

  run(body: readonly Stmt[]): Range[] {
    this.#list(body);
    return [...this.#ranges.values()];
  }

  #list(list: readonly Stmt[]): void {
    const outer = this.#scope;
    this.#scope = this.#isOpen.length;
    this.#isOpen.push(true);
    for (const stmt of list) this.#stmt(stmt);
    this.#isOpen[this.#scope] = false;
    this.#scope = outer;
  }

  #stmt(stmt: Stmt): void {
    switch (stmt.kind) {
      case "set":
        this.#expr(stmt.value);
        this.#mention(stmt.local, true);
        return;
      case "store":
        this.#expr(stmt.addr);
        this.#expr(stmt.value);
        return;
      case "if":
        this.#expr(stmt.cond);
        this.#list(stmt.yes);
        this.#list(stmt.no);
        return;
      case "block":
        this.#list(stmt.body);
        return;
      case "loop":
        this.#loop(stmt.body);
        return;
      case "br":
        if (stmt.cond !== undefined) this.#expr(stmt.cond);
        return;
      case "brTable":
        this.#expr(stmt.index);
        return;
      case "return":
        if (stmt.value !== undefined) this.#expr(stmt.value);
        return;
      case "do":
        this.#expr(stmt.value);
        return;
      case "callVoid":
        for (const arg of stmt.args) this.#expr(arg);
        return;
      case "fill":
        this.#expr(stmt.addr);
        this.#expr(stmt.byte);
        this.#expr(stmt.length);
        return;
    }
  }

  #expr(node: Expr): void {
    switch (node.kind) {
      case "const":
        return;
      case "local":
        this.#mention(node, false);
        return;
      case "numeric":
      case "call":
        for (const arg of node.args) this.#expr(arg);
        return;
      case "vector":
        for (const part of node.parts) if ("kind" in part) this.#expr(part);
        return;
      case "load":
        this.#expr(node.addr);
        return;
      case "callIndirect":
        for (const arg of node.args) this.#expr(arg);
        this.#expr(node.index);
        return;
      case "select":
        this.#expr(node.yes);
        this.#expr(node.no);
        this.#expr(node.cond);
        return;
      case "conditional":
        this.#expr(node.cond);
        this.#arm(node.yes);
        this.#arm(node.no);
        return;
      case "sequence":
        for (const stmt of node.body) this.#stmt(stmt);
        this.#expr(node.value);
        return;
    }
  }

  /** One side of a conditional expression: a scope like that of a statement. */
  #arm(node: Expr): void {
    if (node.kind === "sequence") {
      this.#list([...node.body, { kind: "do", value: node.value }]);
    } else this.#expr(node);
  }

  /** What was set before a loop and is used in it is needed until the loop's last turn has ended. */
  #loop(body: readonly Stmt[]): void {
    const loop: Loop = { start: this.#mentions, touched: [] };
    this.#loops.push(loop);
    this.#list(body);
    this.#loops.pop();
    for (const range of loop.touched) {
      if (range.first <= loop.start) this.#touch(range);
    }
  }

  #mention(local: Local, isSet: boolean): void {
    if (this.#params.has(local)) return;
    this.#mentions++;
    let range = this.#ranges.get(local);
    if (range === undefined) {
      range = {
        local,
        first: this.#mentions,
        last: this.#mentions,
        scope: this.#scope,
        reusable: isSet,
      };
      this.#ranges.set(local, range);
      return;
    }
    // Used outside of the list that sets it, it may be reached without having been set.
    if (!this.#isOpen[range.scope]) range.reusable = false;
    this.#touch(range);
  }

  #touch(range: Range): void {
    range.last = this.#mentions;
    if (!range.reusable) return;
    for (const loop of this.#loops) if (range.first <= loop.start) loop.touched.push(range);
  }
}

function assign(params: readonly Local[], ranges: readonly Range[]): Allocation {
  const indices = new Map<Local, number>();
  const types: ValType[] = [];
  const declare = (local: Local): number => {
    types.push(local.type);
    return params.length + types.length - 1;
  };
  // Long-lived ones first: they are the guest's registers, which thereby get the short numbers.
  for (const { local, reusable } of ranges) if (!reusable) indices.set(local, declare(local));
  const free: Record<ValType, number[]> = { i32: [], i64: [], f32: [], f64: [] };
  const ending = ranges.filter((range) => range.reusable);
  const byEnd = [...ending].sort((a, b) => a.last - b.last);
  let ended = 0;
  for (const { local, first } of ending) {
    for (; byEnd[ended].last < first; ended++) {
      const done = byEnd[ended].local;
      free[done.type].push(indices.get(done) ?? 0);
    }
    indices.set(local, free[local.type].pop() ?? declare(local));
  }
  return { indices, types };
}
