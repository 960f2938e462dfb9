/**
 * Which registers the code of a region needs in locals, and which it has to put back.
 *
 * A register is *dirty* where its local may differ from the hart's state: it is stored wherever the
 * region is left, or calls another. It is *live* where its local may be read before it is written,
 * and storing it at a way out is such a read. On the way in, what is live is loaded.
 */
import { accessesMemory } from "../../isa/flow.ts";
import type { Block, Region } from "./discover.ts";
import { fieldsOf, NO_REGISTERS, type RegisterSet, sameSet, union, without } from "./registers.ts";

/** What the analysis knows of a block. */
export interface BlockRegisters {
  /** Live at its start: to be loaded on the way in. */
  readonly liveIn: RegisterSet;
  /** Stored at any way out of the region from this block. */
  readonly dirty: RegisterSet;
}

/** What a block does by itself. */
interface Effects {
  /** Read before written. */
  readonly reads: RegisterSet;
  readonly writes: RegisterSet;
  /** Written before its first instruction that may leave the region in the middle. */
  readonly writesBeforeFault: RegisterSet;
  readonly isCall: boolean;
}

/** `conditional` are blocks whose results may turn out not to count: what they write to keeps its value. */
export function analyse(
  { blocks }: Region,
  successors: readonly (readonly number[])[],
  conditional: ReadonlySet<number>,
): BlockRegisters[] {
  const effects = blocks.map((block, k) => {
    const own = effectsOf(block);
    return conditional.has(k) ? { ...own, reads: union(own.reads, own.writes) } : own;
  });
  const dirty = solveDirty(effects, successors);
  const liveIn = solveLive(effects, dirty, successors);
  return effects.map((_, k) => ({ liveIn: liveIn[k], dirty: dirty[k] }));
}

/** Whether the block ends in a call that the region makes, after which it goes on. */
export const isCall = ({ end }: Block): boolean =>
  end.kind === "call" || (end.kind === "computed" && end.next !== undefined);

function effectsOf(block: Block): Effects {
  const { instructions } = block;
  let reads = NO_REGISTERS;
  let writes = NO_REGISTERS;
  let writesBeforeFault: RegisterSet | undefined;
  for (const { row, decoded } of instructions) {
    const fields = fieldsOf(row);
    reads = union(reads, without(fields.reads(decoded), writes));
    if (accessesMemory(row)) writesBeforeFault ??= writes;
    writes = union(writes, fields.writes(decoded));
  }
  return {
    reads,
    writes,
    writesBeforeFault: writesBeforeFault ?? writes,
    isCall: isCall(block),
  };
}

/** For each block, what is dirty at its end: forward, until nothing changes. */
function solveDirty(
  effects: readonly Effects[],
  successors: readonly (readonly number[])[],
): RegisterSet[] {
  const dirty = effects.map(({ writes }) => writes);
  const work = effects.map((_, k) => k);
  for (let k = work.pop(); k !== undefined; k = work.pop()) {
    // All registers are in the hart's state when a call comes back.
    if (effects[k].isCall) continue;
    for (const next of successors[k]) {
      const grown = union(dirty[next], dirty[k]);
      if (sameSet(grown, dirty[next])) continue;
      dirty[next] = grown;
      work.push(next);
    }
  }
  return dirty;
}

/** For each block, what is live at its start: backward, until nothing changes. */
function solveLive(
  effects: readonly Effects[],
  dirty: readonly RegisterSet[],
  successors: readonly (readonly number[])[],
): RegisterSet[] {
  const live = effects.map((own, k) => {
    const stored = without(dirty[k], own.writesBeforeFault);
    return union(own.reads, stored);
  });
  const predecessors: number[][] = effects.map(() => []);
  for (const [k, list] of successors.entries()) for (const next of list) predecessors[next].push(k);
  const work = effects.map((_, k) => k);
  for (let k = work.shift(); k !== undefined; k = work.shift()) {
    for (const before of predecessors[k]) {
      // After a call everything is loaded anew.
      if (effects[before].isCall) continue;
      const grown = union(live[before], without(live[k], effects[before].writes));
      if (sameSet(grown, live[before])) continue;
      live[before] = grown;
      work.push(before);
    }
  }
  return live;
}
