/**
 * Conditions of breakpoints: comparisons of registers and numbers, all of which must hold, such as
 * `a7 == 64 && a2 >= 0x1000`. Values are unsigned; `&` asks whether two have a bit in common.
 */
import type { HartPort } from "../cpu/hart-port.ts";
import { readRegister, registerNamed } from "./hart-registers.ts";

type Operand = (hart: HartPort) => bigint;

/** Conditions are typed by hand. */
const MAX_LENGTH = 200;

const COMPARISONS: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "&": (a, b) => (a & b) !== 0n,
};

const COMPARISON = /^\s*([\w-]+)\s*(==|!=|<=|>=|<|>|&)\s*([\w-]+)\s*$/;

/** @throws Error that says what is wrong with the text. */
export function parseCondition(text: string): (hart: HartPort) => boolean {
  if (text.length > MAX_LENGTH) throw new Error("The condition is too long.");
  const tests = text.split("&&").map(parseComparison);
  return (hart) => tests.every((test) => test(hart));
}

function parseComparison(text: string): (hart: HartPort) => boolean {
  const match = COMPARISON.exec(text);
  if (match === null) throw new Error(`“${text.trim()}” is not like a0 == 5.`);
  const compare = COMPARISONS[match[2]];
  const [left, right] = [parseOperand(match[1]), parseOperand(match[3])];
  return (hart) => compare(left(hart), right(hart));
}

function parseOperand(text: string): Operand {
  const register = registerNamed(text);
  if (register !== undefined) return (hart) => readRegister(hart, register) ?? 0n;
  const value = parseNumber(text);
  if (value === undefined) throw new Error(`There is no register ${text}.`);
  return () => value;
}

/** A decimal or, with 0x, hexadecimal number as 64 bits; undefined if it is none, or too large. */
export function parseNumber(text: string): bigint | undefined {
  const match = /^(-?)(0x[0-9a-f]{1,16}|\d{1,20})$/i.exec(text.trim());
  if (match === null) return undefined;
  const size = BigInt(match[2]);
  return size >> 64n === 0n ? BigInt.asUintN(64, match[1] === "-" ? -size : size) : undefined;
}
