/** Regenerates the golden data with QEMU: `npx tsx oracle/generate.ts`. */
import { runGroups } from "./batches.ts";
import { correct } from "./exclusions.ts";
import { changesOf, hashRecord, writeGolden } from "./golden.ts";
import { GROUPS } from "./groups.ts";
import { RAM_SIZE } from "./layout.ts";
import { qemuVersion, runOnQemu } from "./qemu.ts";

const HARTS = 2;

const runs = runGroups(GROUPS, (image) => runOnQemu(image, RAM_SIZE, HARTS).memory);
const groups = runs.map(({ group, inputs, results }) => {
  for (const [k, result] of results.entries()) correct(group.name, inputs[k], result);
  return {
    name: group.name,
    inputs: inputs.reduce(hashRecord, 0),
    cases: inputs.map((input, k) => changesOf(input, results[k])),
  };
});
const bytes = writeGolden({ qemu: qemuVersion(), groups });
const cases = groups.reduce((sum, group) => sum + group.cases.length, 0);
console.log(`${cases} cases in ${groups.length} groups, ${bytes} bytes`);
