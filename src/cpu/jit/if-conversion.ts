/**
 * Short forward branches without a branch.
 *
 * RV64GC has no conditional move: compilers write one as a branch over an instruction or two. Where what
 * is branched over only computes, it is executed always, and the branch's condition selects between each
 * result and what its register held. A wrong guess of the host's at such a branch costs more than both.
 */
import { accessesMemory, flowOf } from "../../isa/flow.ts";
import type { Block, Instruction, Region } from "./discover.ts";

/** Instructions that may be executed for nothing: about as many as a wrong guess costs at the best of times. */
const MAX_SKIPPED = 3;

/** By block that ends in such a branch, the block that it branches over. */
export function planConversions(
  { blocks, entries }: Region,
  successors: readonly (readonly number[])[],
): ReadonlyMap<number, number> {
  const waysIn = blocks.map(() => 0);
  for (const list of successors) for (const next of list) waysIn[next]++;
  for (const entry of entries) waysIn[entry]++;
  const conversions = new Map<number, number>();
  for (const [k, { end }] of blocks.entries()) {
    if (end.kind !== "branch" || end.target.block === undefined) continue;
    const over = end.next.block;
    if (over === undefined || waysIn[over] !== 1) continue;
    if (joinOf(blocks[over]) === end.target.block && onlyComputes(blocks[over])) {
      conversions.set(k, over);
    }
  }
  return conversions;
}

/** The block that one goes on to, whatever happens. */
function joinOf({ end }: Block): number | undefined {
  if (end.kind === "next") return end.next.block;
  return end.kind === "jump" ? end.target.block : undefined;
}

/** What a block computes: all of it but for a jump at its end. */
export const computedIn = ({ instructions, end }: Block): readonly Instruction[] =>
  end.kind === "jump" ? instructions.slice(0, -1) : instructions;

const onlyComputes = (block: Block): boolean =>
  block.instructions.length <= MAX_SKIPPED &&
  computedIn(block).every(
    ({ row, decoded }) =>
      row.extension === "i" && flowOf(row) === "next" && !accessesMemory(row) && decoded.rd !== 0,
  );
