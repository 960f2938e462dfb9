/**
 * Regenerates the golden data with QEMU, and runs the self-tests on it to prove their expectations:
 * `npm run oracle`. Fails if QEMU disagrees with a self-test that it should pass.
 */
import { runGroups } from "./batches.ts";
import { correct } from "./exclusions.ts";
import { changesOf, hashRecord, writeGolden } from "./golden.ts";
import { GROUPS, NEWER_GROUPS } from "./groups.ts";
import { RAM_SIZE } from "./layout.ts";
import { newerQemu, QEMU_7_2, runOnQemu, versionOf } from "./qemu.ts";
import { SELFTESTS } from "./selftest/all.ts";
import { RAM_SIZE as SELFTEST_RAM_SIZE } from "./selftest/script.ts";

const HARTS = 2;

const newer = newerQemu();
const runs = [
  ...runGroups(GROUPS, (image) => runOnQemu(QEMU_7_2, image, RAM_SIZE, HARTS).memory),
  ...runGroups(NEWER_GROUPS, (image) => runOnQemu(newer, image, RAM_SIZE, HARTS).memory),
];
const groups = runs.map(({ group, inputs, results }) => {
  for (const [k, result] of results.entries()) correct(group.name, inputs[k], result);
  return {
    name: group.name,
    inputs: inputs.reduce(hashRecord, 0),
    cases: inputs.map((input, k) => changesOf(input, results[k])),
  };
});
const bytes = writeGolden({ qemu: `${versionOf(QEMU_7_2)}; ${versionOf(newer)}`, groups });
const cases = groups.reduce((sum, group) => sum + group.cases.length, 0);
console.log(`${cases} cases in ${groups.length} groups, ${bytes} bytes`);

for (const { name, notOnQemu, needsNewerQemu, program, checks } of SELFTESTS) {
  const qemu = needsNewerQemu ? newer : QEMU_7_2;
  const { exitCode } = runOnQemu(qemu, program.bytes, SELFTEST_RAM_SIZE, HARTS);
  const failed = exitCode === 0 ? undefined : (checks[exitCode - 1] ?? `exit code ${exitCode}`);
  if (failed === undefined) {
    console.log(
      `${name}: ${checks.length} checks agree${notOnQemu === undefined ? "" : " after all"}`,
    );
  } else if (notOnQemu === undefined) {
    console.log(`${name}: QEMU fails at: ${failed}`);
    process.exitCode = 1;
  } else {
    console.log(`${name}: QEMU differs, as expected: ${notOnQemu}`);
  }
}
