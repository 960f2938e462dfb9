/**
 * Fused instructions: two that follow each other and are executed by one handler, which saves the host a
 * jump that it can hardly predict. The decoded entry of the first one gets the pair's op, and keeps its
 * own in `ENTRY.replaced`; the second one's is as it always is, for jumps to it.
 *
 * An entry that is fused must be taken apart before the one behind it gets an op of another kind (see
 * `unfuseBefore`), and forgotten with it (see `invalidate_code`).
 */
import { FIRST_ROW_OP, HANDLERS, type Handler } from "./handlers.ts";
import { ENTRY, TRANSLATION } from "./layout.ts";

/**
 * The pairs met most often while Linux boots and Python runs: together 45% of all instructions that
 * are followed by the next one in memory. A name is a row's, with the bytes of the instruction, and n if
 * the target is in the same page.
 */
const PAIRS = [
  "sd4 sd4, ld2 ld2, sd2 sd2, add2 add2, ld2 addi2, addi2 bltu4n, add2 ld2, addi2 sb4, addi2 sd2",
  "sb4 addi2, lb4 addi2, auipc4 addi4, slli2 add2, sd2 add2, lbu4 lbu4, ld2 add2, addi4 add2, ld4 ld4",
  "addi2 addi2, add2 jal4, addi2 add2, auipc4 ld4, ld2 beq2n, add2 beq4n, slli4 add2, addi4 sd2",
  "sw4 addi4, sd2 ld2, sw4 sw4, lw2 bne4n, lw2 addi2, add4 add2, add2 beq2n, sd2 sd4, add2 addi2",
  "slli4 sub2, ld2 sd2, lbu4 ld2, sub2 slli2, ld4 sub4, add2 sub2, lbu4 addi2, sub4 slli4, lui4 addi4",
  "slli2 or4, sub2 sw4, add2 sd2, add2 jal2, addi4 beq4n, addi4 lbu4, addi4 slli2, lw2 lw2, ld2 bne2",
  "add2 auipc4, andi2 bne2n, sd2 addi2, lbu4 beq2, addi2 bne4n, lw4 auipc4, lbu4 slli2, ld2 slli4",
  "addi2 beq4n",
].flatMap((line) => line.split(", "));

/** The number of the first op that stands for a pair. */
export const FIRST_FUSED_OP: number = FIRST_ROW_OP + HANDLERS.length;

export interface FusedPair {
  readonly first: Handler;
  readonly second: Handler;
  /** Their ops, and the pair's. */
  readonly firstOp: number;
  readonly secondOp: number;
  readonly op: number;
}

const NUMBERS = new Map(
  HANDLERS.map(({ row, length, near }, k) => [`${row.name}${length}${near ? "n" : ""}`, k]),
);

export const FUSED_PAIRS: readonly FusedPair[] = PAIRS.map((pair, k) => {
  const [first, second] = pair.split(" ").map((name) => {
    const number = NUMBERS.get(name);
    if (number === undefined) throw new Error(`no handler ${name}`);
    return number;
  });
  return {
    first: HANDLERS[first],
    second: HANDLERS[second],
    firstOp: FIRST_ROW_OP + first,
    secondOp: FIRST_ROW_OP + second,
    op: FIRST_FUSED_OP + k,
  };
});

const isFused = (op: number): boolean => op >= FIRST_FUSED_OP && op < TRANSLATION.firstOp;

/** The op of a decoded entry's own instruction, if it is fused with the next one. */
export function unfusedOp(data: DataView, entry: number): number {
  const op = data.getUint16(entry + ENTRY.op, true);
  return isFused(op) ? data.getUint16(entry + ENTRY.replaced, true) : op;
}

/** Takes apart what is fused with the entry of this half-word of a slot's page. */
export function unfuseBefore(data: DataView, slot: number, half: number): void {
  for (const length of [2, 4]) {
    if (half * 2 < length) return;
    const entry = slot + (half - length / 2) * ENTRY.bytes;
    const op = data.getUint16(entry + ENTRY.op, true);
    if (!isFused(op) || FUSED_PAIRS[op - FIRST_FUSED_OP].first.length !== length) continue;
    data.setUint16(entry + ENTRY.op, data.getUint16(entry + ENTRY.replaced, true), true);
  }
}
