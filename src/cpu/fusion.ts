/**
 * Fused instructions: two that follow each other and are executed by one handler, which saves the host a
 * jump that it can hardly predict. The decoded entry of the first one gets the pair's op, and keeps its
 * own in `ENTRY.replaced`; the second one's is as it always is, for jumps to it.
 *
 * An entry that is fused must be taken apart before the one behind it gets an op of another kind (see
 * `unfuseBefore`), and forgotten with it (see `invalidate_code`).
 */
import { FIRST_FUSED_OP, FIRST_ROW_OP, type Handler, handlers } from "./handlers.ts";
import { ENTRY } from "./layout.ts";
import { PAIRS } from "./pairs.ts";

export interface FusedPair {
  readonly first: Handler;
  readonly second: Handler;
  /** Their ops, and the pair's. */
  readonly firstOp: number;
  readonly secondOp: number;
  readonly op: number;
}

/** All pairs, in the order of their ops. */
export function fusedPairs(): readonly FusedPair[] {
  const all = handlers();
  const names = all.map(({ row, length, near }) => `${row.name}${length}${near ? "n" : ""}`);
  return PAIRS.map((pair, k) => {
    const [first, second] = pair.split(" ").map((name) => names.indexOf(name));
    return {
      first: all[first],
      second: all[second],
      firstOp: FIRST_ROW_OP + first,
      secondOp: FIRST_ROW_OP + second,
      op: FIRST_FUSED_OP + k,
    };
  });
}

const isFused = (op: number): boolean => op >= FIRST_FUSED_OP && op < FIRST_ROW_OP;

/** Bytes of the first instruction of each pair. */
const FIRST_LENGTHS = PAIRS.map((pair) => (pair.split(" ")[0].endsWith("2") ? 2 : 4));

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
    if (!isFused(op) || FIRST_LENGTHS[op - FIRST_FUSED_OP] !== length) continue;
    data.setUint16(entry + ENTRY.op, data.getUint16(entry + ENTRY.replaced, true), true);
  }
}
