/**
 * A small typed language of expressions and statements that lowers to WebAssembly.
 *
 * Constructors fold constants, so that code written once for a run-time operand shrinks when a tier
 * knows the operand at translation time. An expression is a tree and not a graph: used twice it is
 * evaluated twice, so bind it with `bind` first.
 */
import { binaryFolder, constant, foldStored, foldUnary } from "./fold.ts";
import type { Expr, Func, FuncTable, I32, Label, Local, Signature, Stmt } from "./node.ts";
import { LOADS, NUMERIC, STORES, type ValType, VECTOR } from "./opcodes.ts";

export type { Expr, Func, FuncTable, I32, I64, Label, Local, Signature, Stmt } from "./node.ts";

/** What a constructor accepts for an operand: an expression or a literal of its type. */
export type Arg<T extends ValType> = Expr<T> | number | bigint;

function arg<T extends ValType>(type: T, value: Arg<T>): Expr<T> {
  return typeof value === "object" ? value : constant(type, value);
}

type ArgsOf<P extends readonly ValType[]> = { [K in keyof P]: Arg<P[K] & ValType> };

type NumericBuilders<T extends ValType> = {
  readonly [K in keyof (typeof NUMERIC)[T]]: (typeof NUMERIC)[T][K] extends readonly [
    number,
    infer P extends readonly ValType[],
    infer R extends ValType,
  ]
    ? (...args: ArgsOf<P>) => Expr<R>
    : never;
};
type LoadBuilders<T extends ValType> = {
  readonly [K in keyof (typeof LOADS)[T]]: (addr: Arg<"i32">, offset?: number) => Expr<T>;
};
type StoreBuilders<T extends ValType> = {
  readonly [K in keyof (typeof STORES)[T]]: (
    addr: Arg<"i32">,
    value: Arg<T>,
    offset?: number,
  ) => Stmt;
};
type Builders<T extends ValType> = NumericBuilders<T> &
  LoadBuilders<T> &
  StoreBuilders<T> & {
    readonly const: (value: number | bigint) => Expr<T>;
    readonly local: () => Local<T>;
    readonly select: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>) => Expr<T>;
    /** Evaluates only the side that is taken, unlike `select`. */
    readonly if: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>, likely?: boolean) => Expr<T>;
    readonly seq: (body: readonly Stmt[], value: Arg<T>) => Expr<T>;
  };

function builders<T extends ValType>(type: T): Builders<T> {
  const made: Record<string, unknown> = {
    const: (value: number | bigint) => constant(type, value),
    local: (): Local<T> => ({ kind: "local", type }),
    select: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>): Expr<T> => {
      const test = arg("i32", cond);
      if (test.kind === "const") return arg(type, test.value !== 0 ? then : otherwise);
      return {
        kind: "select",
        type,
        cond: test,
        yes: arg(type, then),
        no: arg(type, otherwise),
      };
    },
    if: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>, likely?: boolean): Expr<T> => {
      const test = arg("i32", cond);
      if (test.kind === "const") return arg(type, test.value !== 0 ? then : otherwise);
      const [yes, no] = [arg(type, then), arg(type, otherwise)];
      return { kind: "conditional", type, cond: test, yes, no, likely };
    },
    seq: (body: readonly Stmt[], value: Arg<T>): Expr<T> =>
      body.length === 0
        ? arg(type, value)
        : { kind: "sequence", type, body, value: arg(type, value) },
  };
  // The translator makes thousands of nodes for each region: these are among its hottest functions.
  for (const [name, [code, params, result]] of Object.entries(NUMERIC[type])) {
    if (params.length === 1) {
      made[name] = (given: Arg<ValType>): Expr => {
        const operand = arg(params[0], given);
        return foldUnary(code, operand) ?? { kind: "numeric", type: result, code, args: [operand] };
      };
      continue;
    }
    const fold = result === type ? binaryFolder(name, type) : undefined;
    made[name] = (left: Arg<ValType>, right: Arg<ValType>): Expr => {
      const [a, b] = [arg(params[0], left), arg(params[1], right)];
      return (
        fold?.(a as Expr<T>, b as Expr<T>) ?? { kind: "numeric", type: result, code, args: [a, b] }
      );
    };
  }
  for (const [name, [code, bytes]] of Object.entries(LOADS[type])) {
    const align = Math.log2(bytes);
    made[name] = (addr: Arg<"i32">, offset = 0): Expr<T> => {
      return { kind: "load", type, code, align, offset, addr: arg("i32", addr) };
    };
  }
  for (const [name, [code, bytes]] of Object.entries(STORES[type])) {
    const align = Math.log2(bytes);
    made[name] = (addr: Arg<"i32">, given: Arg<T>, offset = 0): Stmt => {
      const stored = foldStored(code, arg(type, given));
      const { code: op, value } = stored ?? { code, value: arg(type, given) };
      return { kind: "store", code: op, align, offset, addr: arg("i32", addr), value };
    };
  }
  return made as unknown as Builders<T>;
}

export const i32: Builders<"i32"> = builders("i32");
export const i64: Builders<"i64"> = builders("i64");
export const f32: Builders<"f32"> = builders("f32");
export const f64: Builders<"f64"> = builders("f64");

/** `a * b + c`, rounded once or twice: the host decides, and always in the same way. */
export function relaxedMadd<T extends "f32" | "f64">(
  type: T,
  a: Expr<T>,
  b: Expr<T>,
  c: Expr<T>,
): Expr<T> {
  const { splat, relaxedMadd: madd, extract } = VECTOR[type];
  return { kind: "vector", type, parts: [a, splat, b, splat, c, splat, madd, extract] };
}

/** The low 32 bits of a double as a single, without the way through an integer register. */
export function lowSingle(value: Expr<"f64">): Expr<"f32"> {
  return { kind: "vector", type: "f32", parts: [value, VECTOR.f64.splat, VECTOR.f32.extract] };
}

/** A double with a single in its low 32 bits, and ones above. */
export function singleBelowOnes(value: Expr<"f32">): Expr<"f64"> {
  const parts = [VECTOR.ones, value, VECTOR.f32.replace, VECTOR.f64.extract];
  return { kind: "vector", type: "f64", parts };
}

export function label(name: string): Label {
  return { name };
}

export function set<T extends ValType>(local: Local<T>, value: Arg<T>): Stmt {
  return { kind: "set", local, value: arg(local.type, value) };
}

/** Evaluates `value` once and hands it on: a variable, or the value itself if that is as cheap. */
export function bind<T extends ValType>(
  value: Expr<T>,
  body: (bound: Expr<T>) => readonly Stmt[],
): Stmt[] {
  if (value.kind === "const") return [...body(value)];
  const local: Local<T> = { kind: "local", type: value.type };
  return [set(local, value), ...body(local)];
}

/** `bind` for an expression. */
export function letIn<T extends ValType, R extends ValType>(
  value: Expr<T>,
  body: (bound: Expr<T>) => Expr<R>,
): Expr<R> {
  if (value.kind === "const") return body(value);
  const local: Local<T> = { kind: "local", type: value.type };
  const result = body(local);
  return { kind: "sequence", type: result.type, body: [set(local, value)], value: result };
}

function branchIf(
  cond: Arg<"i32">,
  then: readonly Stmt[],
  otherwise: readonly Stmt[],
  likely: boolean | undefined,
): Stmt {
  return { kind: "if", cond: arg("i32", cond), yes: then, no: otherwise, likely };
}

export function when(
  cond: Arg<"i32">,
  then: readonly Stmt[],
  otherwise: readonly Stmt[] = [],
): Stmt {
  return branchIf(cond, then, otherwise, undefined);
}

export function whenLikely(
  cond: Arg<"i32">,
  then: readonly Stmt[],
  otherwise: readonly Stmt[] = [],
): Stmt {
  return branchIf(cond, then, otherwise, true);
}

export function whenUnlikely(
  cond: Arg<"i32">,
  then: readonly Stmt[],
  otherwise: readonly Stmt[] = [],
): Stmt {
  return branchIf(cond, then, otherwise, false);
}

export function block(target: Label, body: readonly Stmt[]): Stmt {
  return { kind: "block", label: target, body };
}

export function loop(target: Label, body: readonly Stmt[]): Stmt {
  return { kind: "loop", label: target, body };
}

export function br(target: Label, cond?: Arg<"i32">): Stmt {
  return { kind: "br", label: target, cond: cond === undefined ? undefined : arg("i32", cond) };
}

export function brTable(index: I32, labels: readonly Label[], fallback: Label): Stmt {
  return { kind: "brTable", index, labels, fallback };
}

export function ret<T extends ValType>(value?: Expr<T>): Stmt {
  return { kind: "return", value };
}

/** Evaluates for the effect and drops the result. */
export function run(value: Expr): Stmt {
  return { kind: "do", value };
}

function callArgs(func: Signature, given: readonly Arg<ValType>[]): Expr[] {
  if (given.length !== func.params.length) {
    throw new Error(`a function of ${func.params.length} parameters got ${given.length}`);
  }
  return given.map((value, k) => arg(func.params[k], value));
}

export function call<R extends ValType>(func: Func<R>, ...args: Arg<ValType>[]): Expr<R> {
  return { kind: "call", type: func.result, func, args: callArgs(func, args) };
}

export function callVoid(func: Func<undefined>, ...args: Arg<ValType>[]): Stmt {
  return { kind: "callVoid", func, args: callArgs(func, args) };
}

/** Calls the function at `index` of the imported table. */
export function callIndirect<R extends ValType>(
  signature: Signature<R>,
  index: Arg<"i32">,
  ...args: Arg<ValType>[]
): Expr<R> {
  return {
    kind: "callIndirect",
    type: signature.result,
    table: undefined,
    signature,
    index: arg("i32", index),
    args: callArgs(signature, args),
  };
}

/** The same for a table of the module's own. */
export function callIn<R extends ValType>(
  table: FuncTable,
  signature: Signature<R>,
  index: Arg<"i32">,
  ...args: Arg<ValType>[]
): Expr<R> {
  return { ...callIndirect(signature, index, ...args), table } as Expr<R>;
}

/** `memory.fill`. */
export function fill(addr: Arg<"i32">, byte: Arg<"i32">, length: Arg<"i32">): Stmt {
  return {
    kind: "fill",
    addr: arg("i32", addr),
    byte: arg("i32", byte),
    length: arg("i32", length),
  };
}
