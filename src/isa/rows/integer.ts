/** What rows with integer operands have in common. */
import { type I64, i64 } from "../../wasm/expr.ts";
import type { Semantics } from "../semantics.ts";

export type Binary = (a: I64, b: I64) => I64;

/** Sign-extends the low word: the result of every W instruction. */
export const word = (value: I64): I64 => i64.extend32_s(value);
export const lowWord = (value: I64): I64 => i64.and(value, 0xffff_ffff);

/** rd = rs1 op rs2, and rd = rs1 op imm. */
export const rr =
  (operation: Binary): Semantics =>
  (m) =>
    m.setX(operation(m.x("rs1"), m.x("rs2")));
export const ri =
  (operation: Binary): Semantics =>
  (m) =>
    m.setX(operation(m.x("rs1"), m.imm()));
