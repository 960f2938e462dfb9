/** Rows of the instruction table, and the two ways to write one. */
import { type Pattern, parsePattern } from "./pattern.ts";
import type { Semantics } from "./semantics.ts";

/** An instruction of the base encoding: 32 bits with semantics. */
export interface Row {
  readonly name: string;
  readonly extension: string;
  readonly pattern: Pattern;
  /** Operands as an assembler writes them, such as `rd, imm(rs1)`. */
  readonly syntax: string;
  readonly semantics: Semantics;
}

/** A compressed instruction: 16 bits that stand for one of the base encoding. */
export interface CompressedRow {
  readonly name: string;
  readonly extension: string;
  readonly pattern: Pattern;
  /** The base instruction in assembler form, in terms of this pattern's fields and fixed registers. */
  readonly expansion: string;
}

export function row(
  extension: string,
  name: string,
  pattern: string,
  syntax: string,
  semantics: Semantics,
): Row {
  return withPattern(pattern, { name, extension, syntax, semantics });
}

export function compressed(
  extension: string,
  name: string,
  pattern: string,
  expansion: string,
): CompressedRow {
  return withPattern(pattern, { name, extension, expansion });
}

/** The operand names of a syntax or expansion, in order: `rd, imm(rs1)` gives rd, imm, rs1. */
export function operandNames(syntax: string): string[] {
  return syntax.split(/[\s,()]+/).filter((name) => name !== "");
}

/** The pattern is parsed when it is asked for first: a page starts a machine without. */
function withPattern<T extends object>(text: string, rest: T): T & { readonly pattern: Pattern } {
  let parsed: Pattern | undefined;
  return Object.defineProperty(rest as T & { pattern: Pattern }, "pattern", {
    enumerable: true,
    get: () => {
      parsed ??= parsePattern(text);
      return parsed;
    },
  });
}
