/** The instruction table. To add an instruction, add a row to a file of `rows/`. */
import { type CompressedRow, operandNames, type Row } from "./row.ts";
import { ATOMIC_ROWS, BASE_ROWS, CACHE_BLOCK_ROWS, SYSTEM_ROWS } from "./rows/base.ts";
import { BITMANIP_ROWS } from "./rows/bitmanip.ts";
import { COMPRESSED_ROWS } from "./rows/compressed.ts";
import { FLOAT_ROWS } from "./rows/float.ts";

export const ROWS: readonly Row[] = [
  ...BASE_ROWS,
  ...ATOMIC_ROWS,
  ...FLOAT_ROWS,
  ...SYSTEM_ROWS,
  ...BITMANIP_ROWS,
  ...CACHE_BLOCK_ROWS,
];
export { COMPRESSED_ROWS };

const BY_NAME = new Map(ROWS.map((row) => [row.name, row]));

/** @throws Error for a name that is not in the table. */
export function rowNamed(name: string): Row {
  const row = BY_NAME.get(name);
  if (row === undefined) throw new Error(`no instruction is called ${name}`);
  return row;
}

export function hasField(row: Row | CompressedRow, name: string): boolean {
  return row.pattern.fields.some((field) => field.name === name);
}

/** One operand of an expansion: a field of the compressed pattern, a register or a constant. */
interface ExpandedOperand {
  /** The base row's operand that is set. */
  readonly operand: string;
  /** The compressed field that gives the value, or undefined for a fixed one. */
  readonly field: string | undefined;
  readonly value: number;
}

export interface Expansion {
  readonly base: Row;
  readonly operands: readonly ExpandedOperand[];
}

/** @throws Error if the expansion does not fit the base row's syntax. */
export function expansionOf(row: CompressedRow): Expansion {
  const [name, ...given] = operandNames(row.expansion);
  const base = rowNamed(name);
  const wanted = operandNames(base.syntax);
  if (given.length !== wanted.length) throw new Error(`${row.name}: bad expansion`);
  const operands = given.map((text, k): ExpandedOperand => {
    const operand = wanted[k];
    if (/^x\d+$/.test(text)) return { operand, field: undefined, value: Number(text.slice(1)) };
    if (/^\d+$/.test(text)) return { operand, field: undefined, value: Number(text) };
    if (!hasField(row, text)) throw new Error(`${row.name}: no field ${text}`);
    return { operand, field: text, value: 0 };
  });
  return { base, operands };
}
