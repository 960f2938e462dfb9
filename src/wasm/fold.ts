/**
 * What constructors of expressions simplify: constants, and conversions that lead back to where they
 * came from. A value keeps its bits on every way through a float register, those of a NaN as well
 * (WebAssembly Core Specification 4.3.2), so that reinterpreting one is a change of type and no more.
 */
import type { Const, Expr, Numeric } from "./node.ts";
import { LOADS, NUMERIC, STORES, type ValType } from "./opcodes.ts";

export function constant<T extends ValType>(type: T, value: number | bigint): Const<T> {
  if (type === "i32") return { kind: "const", type, value: Number(value) | 0 };
  if (type !== "i64") return { kind: "const", type, value: Number(value) };
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return { kind: "const", type, value };
  }
  const wide = BigInt.asIntN(64, BigInt(value));
  const narrow = Number(wide);
  return { kind: "const", type, value: Number.isSafeInteger(narrow) ? narrow : wide };
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

type BinaryFolder<T extends ValType> = (a: Expr<T>, b: Expr<T>) => Expr<T> | undefined;

/** What simplifies the instruction of a name with two operands, if anything does. */
export function binaryFolder<T extends ValType>(
  name: string,
  type: T,
): BinaryFolder<T> | undefined {
  if (type === "f32" || type === "f64") {
    if (name !== "copysign") return undefined;
    return (a, b) => foldCopySign(type, a, b) as Expr<T> | undefined;
  }
  const ignoresRightZero = /^(add|sub|or|xor|shl|shr_s|shr_u)$/.test(name);
  const ignoresLeftZero = /^(add|or|xor)$/.test(name);
  const isXor = name === "xor";
  const isAnd = name === "and";
  const fold = FOLD[name];
  const bits = type === "i32" ? 32 : 64;
  return (a, b) => {
    if (isXor && isSame(a, b)) return constant(type, 0);
    if (a.kind !== "const" && b.kind !== "const") return undefined;
    if (ignoresRightZero && isConst(b, 0)) return a;
    if (ignoresLeftZero && isConst(a, 0)) return b;
    if (isAnd && isConst(b, -1)) return a;
    if (fold === undefined || a.kind !== "const" || b.kind !== "const") return undefined;
    return constant(type, BigInt.asIntN(bits, fold(BigInt(a.value), BigInt(b.value))));
  };
}

/** Whether two expressions compute the same from the same variables. */
function isSame(a: Expr, b: Expr): boolean {
  if (a.type !== b.type) return false;
  if (a.kind === "const" && b.kind === "const") return Object.is(a.value, b.value);
  if (a.kind === "numeric" && b.kind === "numeric") {
    return a.code === b.code && a.args.every((operand, k) => isSame(operand, b.args[k]));
  }
  if (a.kind === "select" && b.kind === "select") {
    return isSame(a.cond, b.cond) && isSame(a.yes, b.yes) && isSame(a.no, b.no);
  }
  if (a.kind === "vector" && b.kind === "vector") {
    return a.parts.every((part, k) => isSamePart(part, b.parts[k]));
  }
  return a.kind === "local" && a === b;
}

/** Bytes of instructions are the one list of the instruction. */
function isSamePart(a: Expr | readonly number[], b: Expr | readonly number[] | undefined): boolean {
  if (a === b) return true;
  return b !== undefined && "kind" in a && "kind" in b && isSame(a, b);
}

/** A move, a negation and an absolute value, which are written as injections of a sign. */
function foldCopySign(type: "f32" | "f64", value: Expr, sign: Expr): Expr | undefined {
  const { neg, abs } = NUMERIC[type];
  if (isSame(value, sign)) return value;
  if (isNumeric(sign, neg[0]) && isSame(value, sign.args[0])) return sign;
  if (sign.kind !== "const" || !Object.is(sign.value, 0)) return undefined;
  return { kind: "numeric", type, code: abs[0], args: [value] };
}

const OP = {
  extendS: NUMERIC.i64.extend_i32_s[0],
  extendU: NUMERIC.i64.extend_i32_u[0],
  extend32: NUMERIC.i64.extend32_s[0],
  wrap: NUMERIC.i32.wrap_i64[0],
  or64: NUMERIC.i64.or[0],
} as const;

/** An instruction that gives a value another type and keeps its bits. */
interface Reinterpretation {
  readonly from: ValType;
  readonly to: ValType;
  /** The instruction that leads back. */
  readonly inverse: number;
}

const REINTERPRETATIONS: ReadonlyMap<number, Reinterpretation> = new Map<number, Reinterpretation>(
  (
    [
      ["i32", "f32", NUMERIC.f32.reinterpret_i32[0], NUMERIC.i32.reinterpret_f32[0]],
      ["i64", "f64", NUMERIC.f64.reinterpret_i64[0], NUMERIC.i64.reinterpret_f64[0]],
    ] as const
  ).flatMap(([int, float, toFloat, toInt]): [number, Reinterpretation][] => [
    [toFloat, { from: int, to: float, inverse: toInt }],
    [toInt, { from: float, to: int, inverse: toFloat }],
  ]),
);

function isNumeric(node: Expr, ...codes: readonly number[]): node is Numeric<ValType> {
  return node.kind === "numeric" && codes.includes(node.code);
}

/** A simpler expression for a numeric instruction with one operand, or undefined. */
export function foldUnary(code: number, operand: Expr): Expr | undefined {
  if (operand.kind === "local") return undefined;
  const reinterpretation = REINTERPRETATIONS.get(code);
  if (reinterpretation !== undefined) return foldReinterpret(code, reinterpretation, operand);
  if (code === OP.wrap) return foldWrap(operand);
  if (code !== OP.extend32) return undefined;
  if (isNumeric(operand, OP.extendS, OP.extendU)) {
    return { kind: "numeric", type: "i64", code: OP.extendS, args: operand.args };
  }
  const low = lowWord(operand);
  return low && (foldUnary(code, low) ?? { kind: "numeric", type: "i64", code, args: [low] });
}

function foldReinterpret(
  code: number,
  { from, to, inverse }: Reinterpretation,
  operand: Expr,
): Expr | undefined {
  if (isNumeric(operand, inverse)) return operand.args[0];
  if (operand.kind === "const" && Object.is(operand.value, 0)) return constant(to, 0);
  if (operand.kind === "load" && operand.code === LOADS[from].load[0]) {
    return { ...operand, type: to, code: LOADS[to].load[0] };
  }
  if (operand.kind === "sequence") {
    const value: Expr = foldReinterpret(code, { from, to, inverse }, operand.value) ?? {
      kind: "numeric",
      type: to,
      code,
      args: [operand.value],
    };
    return { ...operand, type: to, value };
  }
  return undefined;
}

function foldWrap(operand: Expr): Expr | undefined {
  if (isNumeric(operand, OP.extendS, OP.extendU)) return operand.args[0];
  if (operand.kind === "load" && operand.code === LOADS.i64.load32_u[0]) {
    return { ...operand, type: "i32", code: LOADS.i32.load[0] };
  }
  const low = lowWord(operand);
  return low && (foldWrap(low) ?? { kind: "numeric", type: "i32", code: OP.wrap, args: [low] });
}

/** What has the same low 32 bits as an `or` with a constant that has none there. */
function lowWord(node: Expr): Expr | undefined {
  if (!isNumeric(node, OP.or64)) return undefined;
  const [value, mask] = node.args;
  return mask.kind === "const" && BigInt.asUintN(32, BigInt(mask.value)) === 0n ? value : undefined;
}

interface Stored {
  readonly code: number;
  readonly value: Expr;
}

/** A store instruction and a value for it of the type that the value has already, if it has another. */
export function foldStored(code: number, value: Expr): Stored | undefined {
  if (value.kind !== "numeric") return undefined;
  if (code === STORES.i64.store32[0]) {
    if (isNumeric(value, OP.extendS, OP.extendU)) {
      const stored = { code: STORES.i32.store[0], value: value.args[0] };
      return foldStored(stored.code, stored.value) ?? stored;
    }
    const low = lowWord(value);
    return low && (foldStored(code, low) ?? { code, value: low });
  }
  const back = REINTERPRETATIONS.get(value.code);
  if (back === undefined || code !== STORES[back.to].store[0]) return undefined;
  return { code: STORES[back.from].store[0], value: value.args[0] };
}
