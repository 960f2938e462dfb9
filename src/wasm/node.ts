/** The nodes of the language in `expr.ts`: what its constructors make and the emitter writes. */
import type { ValType } from "./opcodes.ts";

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

/** A table of functions that a module fills in itself; its index is known when the module is encoded. */
export interface FuncTable {
  readonly funcs: readonly Func[];
}

interface Node<T extends ValType> {
  readonly type: T;
}

export interface Const<T extends ValType> extends Node<T> {
  readonly kind: "const";
  /** An i64 is a number when that is exact and a bigint otherwise. Integers are signed. */
  readonly value: number | bigint;
}

export interface Numeric<T extends ValType> extends Node<T> {
  readonly kind: "numeric";
  readonly code: number;
  readonly args: readonly Expr[];
}

/** Expressions, and between them the bytes of vector instructions that lead from one to the next. */
interface Vector<T extends ValType> extends Node<T> {
  readonly kind: "vector";
  readonly parts: readonly (Expr | readonly number[])[];
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
  /** Undefined: the imported table. */
  readonly table: FuncTable | undefined;
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
  /** A branch hint for the engine: whether the condition usually holds. */
  readonly likely: boolean | undefined;
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
  | Vector<T>
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
