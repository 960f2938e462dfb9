/**
 * A small typed language of expressions and statements that lowers to WebAssembly.
 *
 * Constructors fold constants, so that code written once for a run-time operand shrinks when a tier
 * knows the operand at translation time. An expression is a tree and not a graph: used twice it is
 * evaluated twice, so bind it with `bind` first.
 */
import { LOADS, NUMERIC, STORES, type ValType } from "./opcodes.ts";

/** A variable of one function. The emitter numbers it where it first appears. */
export interface Local<T extends ValType = ValType> {
  readonly kind: "local";
  readonly type: T;
}

/** A branch target; identity is what counts. */
export interface Label {
  readonly name: string;
}

/** Parameter and result types of a function. */
export interface Signature<R extends ValType | undefined = ValType | undefined> {
  readonly params: readonly ValType[];
  readonly result: R;
}

/** A function that can be called: its index is known when its module is encoded. */
export interface Func<R extends ValType | undefined = ValType | undefined> extends Signature<R> {
  readonly name: string;
}

interface Node<T extends ValType> {
  readonly type: T;
}

interface Const<T extends ValType> extends Node<T> {
  readonly kind: "const";
  /** An i64 is a number when that is exact and a bigint otherwise. Integers are signed. */
  readonly value: number | bigint;
}

interface Numeric<T extends ValType> extends Node<T> {
  readonly kind: "numeric";
  readonly code: number;
  readonly args: readonly Expr[];
}

interface Load<T extends ValType> extends Node<T> {
  readonly kind: "load";
  readonly code: number;
  readonly align: number;
  readonly offset: number;
  readonly addr: Expr<"i32">;
}

interface Call<T extends ValType> extends Node<T> {
  readonly kind: "call";
  readonly func: Func;
  readonly args: readonly Expr[];
}

interface CallIndirect<T extends ValType> extends Node<T> {
  readonly kind: "callIndirect";
  readonly signature: Signature;
  readonly index: Expr<"i32">;
  readonly args: readonly Expr[];
}

interface Select<T extends ValType> extends Node<T> {
  readonly kind: "select";
  readonly cond: Expr<"i32">;
  readonly yes: Expr<T>;
  readonly no: Expr<T>;
}

interface Conditional<T extends ValType> extends Node<T> {
  readonly kind: "conditional";
  readonly cond: Expr<"i32">;
  readonly yes: Expr<T>;
  readonly no: Expr<T>;
}

interface Sequence<T extends ValType> extends Node<T> {
  readonly kind: "sequence";
  readonly body: readonly Stmt[];
  readonly value: Expr<T>;
}

export type Expr<T extends ValType = ValType> =
  | Const<T>
  | Local<T>
  | Numeric<T>
  | Load<T>
  | Call<T>
  | CallIndirect<T>
  | Select<T>
  | Conditional<T>
  | Sequence<T>;

export type I32 = Expr<"i32">;
export type I64 = Expr<"i64">;

export type Stmt =
  | { readonly kind: "set"; readonly local: Local; readonly value: Expr }
  | {
      readonly kind: "store";
      readonly code: number;
      readonly align: number;
      readonly offset: number;
      readonly addr: I32;
      readonly value: Expr;
    }
  | {
      readonly kind: "if";
      readonly cond: I32;
      readonly yes: readonly Stmt[];
      readonly no: readonly Stmt[];
      /** A branch hint for the engine: whether the condition usually holds. */
      readonly likely: boolean | undefined;
    }
  | { readonly kind: "block" | "loop"; readonly label: Label; readonly body: readonly Stmt[] }
  | { readonly kind: "br"; readonly label: Label; readonly cond: I32 | undefined }
  | {
      readonly kind: "brTable";
      readonly index: I32;
      readonly labels: readonly Label[];
      readonly fallback: Label;
    }
  | { readonly kind: "return"; readonly value: Expr | undefined }
  | { readonly kind: "do"; readonly value: Expr }
  | { readonly kind: "callVoid"; readonly func: Func; readonly args: readonly Expr[] }
  | { readonly kind: "fill"; readonly addr: I32; readonly byte: I32; readonly length: I32 };

/** What a constructor accepts for an operand: an expression or a literal of its type. */
export type Arg<T extends ValType> = Expr<T> | number | bigint;

function constant<T extends ValType>(type: T, value: number | bigint): Const<T> {
  if (type === "i32") return { kind: "const", type, value: Number(value) | 0 };
  if (type !== "i64") return { kind: "const", type, value: Number(value) };
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return { kind: "const", type, value };
  }
  const wide = BigInt.asIntN(64, BigInt(value));
  const narrow = Number(wide);
  return { kind: "const", type, value: Number.isSafeInteger(narrow) ? narrow : wide };
}

function arg<T extends ValType>(type: T, value: Arg<T>): Expr<T> {
  return typeof value === "object" ? value : constant(type, value);
}

function isConst(node: Expr, value: number): boolean {
  return node.kind === "const" && node.value === value;
}

type Folder = (a: bigint, b: bigint) => bigint;

const FOLD: Record<string, Folder> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

function foldBinary<T extends ValType>(
  name: string,
  type: T,
  a: Expr<T>,
  b: Expr<T>,
): Expr<T> | undefined {
  if (type !== "i32" && type !== "i64") return undefined;
  if (isConst(b, 0) && /^(add|sub|or|xor|shl|shr_s|shr_u)$/.test(name)) return a;
  if (isConst(a, 0) && /^(add|or|xor)$/.test(name)) return b;
  if (name === "and" && isConst(b, -1)) return a;
  const fold = FOLD[name];
  if (fold === undefined || a.kind !== "const" || b.kind !== "const") return undefined;
  const value = fold(BigInt(a.value), BigInt(b.value));
  return constant(type, BigInt.asIntN(type === "i32" ? 32 : 64, value));
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
    readonly if: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>) => Expr<T>;
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
    if: (cond: Arg<"i32">, then: Arg<T>, otherwise: Arg<T>): Expr<T> => {
      const test = arg("i32", cond);
      if (test.kind === "const") return arg(type, test.value !== 0 ? then : otherwise);
      const [yes, no] = [arg(type, then), arg(type, otherwise)];
      return { kind: "conditional", type, cond: test, yes, no };
    },
    seq: (body: readonly Stmt[], value: Arg<T>): Expr<T> =>
      body.length === 0
        ? arg(type, value)
        : { kind: "sequence", type, body, value: arg(type, value) },
  };
  for (const [name, [code, params, result]] of Object.entries(NUMERIC[type])) {
    made[name] = (...given: Arg<ValType>[]): Expr => {
      const args = given.map((value, k) => arg(params[k], value));
      if (args.length === 2 && result === type) {
        const folded = foldBinary(name, type, args[0] as Expr<T>, args[1] as Expr<T>);
        if (folded !== undefined) return folded;
      }
      return { kind: "numeric", type: result, code, args };
    };
  }
  for (const [name, [code, bytes]] of Object.entries(LOADS[type])) {
    made[name] = (addr: Arg<"i32">, offset = 0): Expr<T> => {
      return { kind: "load", type, code, align: Math.log2(bytes), offset, addr: arg("i32", addr) };
    };
  }
  for (const [name, [code, bytes]] of Object.entries(STORES[type])) {
    made[name] = (addr: Arg<"i32">, value: Arg<T>, offset = 0): Stmt => {
      const align = Math.log2(bytes);
      return {
        kind: "store",
        code,
        align,
        offset,
        addr: arg("i32", addr),
        value: arg(type, value),
      };
    };
  }
  return made as unknown as Builders<T>;
}

export const i32: Builders<"i32"> = builders("i32");
export const i64: Builders<"i64"> = builders("i64");
export const f32: Builders<"f32"> = builders("f32");
export const f64: Builders<"f64"> = builders("f64");

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
    signature,
    index: arg("i32", index),
    args: callArgs(signature, args),
  };
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
