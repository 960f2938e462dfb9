/** Runs all cases of some groups, in batches, on whatever executes a memory image. */
import { type Group, makeCase } from "./cases.ts";
import { imageOf, resultsIn } from "./harness.ts";
import { BATCH_MAX } from "./layout.ts";

/** Runs an image until the machine powers itself off, and gives its RAM. */
export type Execute = (image: Uint8Array) => Uint8Array;

export interface GroupRun {
  readonly group: Group;
  readonly inputs: readonly BigUint64Array[];
  readonly results: readonly BigUint64Array[];
}

export function runGroups(groups: readonly Group[], execute: Execute): GroupRun[] {
  const inputs = groups.map((group) =>
    Array.from({ length: group.count }, (_, index) => makeCase(group, index).record),
  );
  const all = inputs.flat();
  const results: BigUint64Array[] = [];
  for (let start = 0; start < all.length; start += BATCH_MAX) {
    const batch = all.slice(start, start + BATCH_MAX);
    results.push(...resultsIn(execute(imageOf(batch)), batch.length));
  }
  let from = 0;
  return groups.map((group, k) => {
    const own = results.slice(from, from + group.count);
    from += group.count;
    return { group, inputs: inputs[k], results: own };
  });
}
