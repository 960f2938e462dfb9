/** Encodes one instruction by the table; the inverse of the decoder, for tests and tools. */
import { insertField } from "./pattern.ts";
import { COMPRESSED_ROWS, rowNamed } from "./table.ts";

/** Operand values by field name, such as `{ rd: 1, rs1: 2, imm: -4 }`; a missing one is 0. */
export type Operands = { readonly [field: string]: number };

/** @throws Error for an unknown name, a field the row lacks, or a value that does not fit. */
export function encode(name: string, operands: Operands = {}): number {
  const { pattern } = COMPRESSED_ROWS.find((row) => row.name === name) ?? rowNamed(name);
  let bits = pattern.match;
  for (const key of Object.keys(operands)) {
    if (!pattern.fields.some((field) => field.name === key)) {
      throw new Error(`${name} has no field ${key}`);
    }
  }
  for (const field of pattern.fields) {
    const value = operands[field.name];
    if (value !== undefined) bits |= insertField(field, value);
  }
  return bits >>> 0;
}
